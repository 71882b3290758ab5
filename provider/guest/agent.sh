# The guest agent: opens the door for SSH, tells the host how far the guest is, and applies what the host sends, over a
# virtio-serial port. Started by init.sh with sshd's path and the kind of init, see find-init.sh. No child of the image's
# init.
#
# Guest to host, one line each: listening | waiting | unfit REASON | fact ID NAME TEXT | done ID | failed ID REASON.
# Host to guest: VERB ID SIZE, then what the verb says. The host sends one message at a time and waits for its answer,
# so no read takes more than its own message.
#   access    SIZE bytes of a tar: who may log in
#   identity  what `helper become` reads: the machine that this template's clone becomes; before all else
#   mounts    nothing: takes the disks and mounts that the identity has declared; their devices are plugged in now
#   units     likewise, systemd's units
#   networks  likewise, the private networks
#   report    SIZE bytes: a section and a user; answers with facts for a diagnosis, see report.sh
#   begin     nothing, and gets no answer: the clone has all that its identity declares, its programs may begin
#   cpus      likewise: the host has logged in, from now on all CPUs may be used
#   poweroff  likewise: shuts down
#   verified  likewise: the host has logged in and nobody waits any more, what would have slowed that down may begin
sshd=$1 init=$2
. /usr/lib/mayfly/until-true.sh
# A server that is lent to the image has rules and libraries of its own, and leaves port 22 to the image's programs.
case $sshd in
/usr/lib/mayfly/*) is_lent=yes rules="-f /etc/mayfly/sshd_config.lent" libraries=LD_LIBRARY_PATH=/usr/lib/mayfly/ssh/lib ;;
*) is_lent= rules= libraries= ;;
esac
[ -n "$is_lent" ] || [ ! -e /etc/mayfly/sshd_config.door ] || rules="-f /etc/mayfly/sshd_config.door" # see prepare.sh
journal=/etc/mayfly/journal
PATH=/usr/lib/mayfly/bin
export PATH
WITH_IMAGES_PROGRAMS=$PATH:/usr/sbin:/usr/bin:/sbin:/bin
port= is_clone=
for name in /sys/class/virtio-ports/*/name; do
  [ "$(cat "$name")" = mayfly.agent ] && port=/dev/$(basename "${name%/name}")
done
[ -n "$port" ] || exit 1
exec 3<>"$port"
echo -1000 >/proc/self/oom_score_adj # when memory runs out, nobody else can tell the host

# Under emulation each program that a session runs lies at the same addresses each time: QEMU before 8.0 keeps what it has
# translated by address, and would translate all of it anew (a command over SSH took 110 ms of CPU and takes 54). Only what
# comes in by our door, and what settles a template: the image's services keep theirs random.
# `sysctl.kernel.randomize_va_space=2` on the kernel's command line, as its default is, asks for random ones here as well.
is_emulated= steady=
! grep -q '^model name.*QEMU TCG' /proc/cpuinfo || is_emulated=yes
if [ -n "$is_emulated" ] && ! grep -q 'sysctl\.kernel\.randomize_va_space=2' /proc/cmdline; then
  steady="/usr/lib/mayfly/helper steady"
fi

# The door: the image's sshd, once more, on a port of our own and no child of the image's init. Not on 22, which belongs to
# the image's own server. Keys are read when somebody logs in, so they can change at any time. `-r`: each connection is a
# fork of this one instead of a new program, which under emulation saves half a second (9.8 and later take no notice). What
# PAM loads for a login is loaded by then: see pam-ahead.c. Only into an sshd that has PAM's library itself: from
# 9.8 on each connection's own program has.
DOOR=64022
serve() { # serve PIDFILE
  name=$sshd options= ahead=
  if [ -z "$is_lent" ] && [ -e /etc/pam.d/mayfly-sshd ]; then
    if [ -e /etc/mayfly/names-pam ]; then options="-o PAMServiceName=mayfly-sshd"; else name=mayfly-sshd; fi
    [ ! -e /etc/mayfly/has-pam ] || ahead=LD_PRELOAD=/usr/lib/mayfly/pam-ahead.so
  fi
  while :; do
    [ -n "$is_lent" ] || mkdir -p /run/sshd # sshd wants one; it goes away with the image's own sshd
    # The kernel may end it and its sessions when memory runs out, but not the agent, from which they come.
    # Under the name that its rules for PAM have, where it is not told: see prepare.sh.
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin $libraries $ahead \
      $steady /usr/lib/mayfly/bin/sh -c 'echo $$ >/etc/mayfly/sshd.pid; echo 0 >/proc/self/oom_score_adj; exec -a "$0" "$@"' "$name" \
      "$sshd" $rules $options -D -r -o ListenAddress=0.0.0.0:$DOOR -o PidFile="$1" 3>&- </dev/null >/dev/null 2>&1
    sleep 1 # somebody has ended it
  done
}

# listens PORT SECONDS: waits until somebody listens there.
listens() {
  /usr/lib/mayfly/helper hears "$1" "$2"
}

# await_server: waits for the image's own server, if its init is to start one. One that does not come is switched off.
has_server=yes
[ -z "$is_lent" ] && [ "$init" != minimal ] || has_server=
await_server() {
  [ -z "$has_server" ] || listens 22 120 || has_server=
}

# await_run: waits until the init has mounted /run, in which the image's sshd has its folder. Not for ever: whoever wants to
# see why it has not must be able to log in.
await_run() {
  case $init in
  systemd) until_true 120 test -S /run/systemd/private ;;
  scripts | other) await_server ;; # nothing else tells
  esac
}

# leave_init: takes the agent, and all that it starts from now on, out of systemd's own cgroup. systemd ends all that is in
# there when the kernel has killed one of them for lack of memory: a program of somebody's session would take the agent and
# the door with it.
leave_init() {
  [ -d /sys/fs/cgroup/init.scope ] || return 0
  mkdir -p /sys/fs/cgroup/mayfly
  for process in $$ 0; do echo $process >/sys/fs/cgroup/mayfly/cgroup.procs; done # 0 is the subshell that this runs in
}

# keep_to_one_cpu: a clone does one thing after the other until it has been logged in to, but its kernel would spread that over
# all CPUs, which then wake each other and wait for each other's answer: under emulation that takes no less time, and a fifth
# more of the host's CPUs. So the agent, and all that comes from it, is kept to the first one, where its network card and the
# ends of the kernel's grace periods are served as well; these stay there.
one_cpu=/sys/fs/cgroup/mayfly/cpuset.cpus
keep_to_one_cpu() {
  [ -n "$is_emulated" ] && echo +cpuset >/sys/fs/cgroup/cgroup.subtree_control && [ -e $one_cpu ] || return 0
  for pid in $(pidof rcu_preempt rcu_sched); do taskset -p 1 "$pid"; done
  for irq in /proc/irq/[0-9]*/smp_affinity_list; do echo 0 >"$irq"; done # some have a CPU of their own, and keep it
  echo 0 >$one_cpu
}

use_all_cpus() {
  [ -e $one_cpu ] || return 0
  read -r cpus </sys/devices/system/cpu/online # not none, as before: while processes are in it the kernel refuses that
  echo "$cpus" >$one_cpu
}

# await_admission: waits until the door is open to all users; gives up long after the host has. systemd lets nobody but root
# log in while /run/nologin is there (pam_nologin(8)), which may be a little longer than until the door is.
await_admission() {
  listens $DOOR 3600 && until_true 3600 test ! -e /run/nologin
}

# hear_names: keeps up with the names of the private networks.
hear_names() {
  [ -s /etc/mayfly/networks ] || return
  rm -f /etc/mayfly/names.[0-9]* /etc/mayfly/list.[0-9]* # of the last boot
  setsid sh /usr/lib/mayfly/names.sh 3>&- </dev/null >/dev/null 2>&1 &
}

# knows_names: whether each network's switch has told them.
knows_names() {
  [ "$(ls /etc/mayfly | grep -c '^names\.[0-9]')" = "$(grep -c . /etc/mayfly/networks)" ]
}

# join_networks: takes the machine's places in its private networks, and waits until it knows the names there.
join_networks() {
  said=$(sh /usr/lib/mayfly/join-networks.sh 20 2>&1) || return 1
  hear_names
  said="the network's switch does not tell the names"
  until_true 20 knows_names
}

# report ID SECTION USER: tells the host what can be seen in here. A program that hangs must not hold the agent for ever.
report() {
  timeout 8 sh /usr/lib/mayfly/report.sh "$2" "$3" "$sshd" "$init" $rules 3>&- </dev/null 2>/dev/null |
    head -c 32768 | while read -r line; do echo "fact $1 $line" >&3; done
}

answer() { # answer ID EXIT-CODE REASON
  if [ "$2" = 0 ]; then echo "done $1" >&3; else echo "failed $1 $(echo "$3" | tr '\n' ' ')" >&3; fi
}

access() { # access: applies /etc/mayfly/access.next; says what went wrong
  said=$(sh /usr/lib/mayfly/apply-access.sh 2>&1) || return 1
  case $said in *problem:*) said=$(echo "$said" | grep problem:) && return 1 ;; esac
}

# Goes on until the machine is as quiet as it will be, and leaves nothing in it that a clone must not share. Fails, with the
# reason on the descriptor 4, where it never will be quiet: machines of this image then boot through their kernel.
settle() {
  systemctl="$steady $(command -v systemctl)" # asked several times
  case $init in
  systemd | minimal)
    await_run
    leave_init
    prepare_door
    until_"$init"_is_quiet || return 1
    ;;
  scripts) # the door not earlier: they mount /run
    until_scripts_are_quiet || return 1
    prepare_door
    ;;
  *) echo "its init is neither systemd, sysv-rc, OpenRC nor Mayfly's own" >&4 && return 1 ;;
  esac
  until_true 20 door_waits || { echo "its sshd does not wait for a host key" >&4 && return 1; }
  rehearse &
  rehearsal=$!
  cover_boot_id || { echo "nothing can be mounted over its boot id" >&4 && return 1; }
  [ "$init" != systemd ] || until_udev_is_quiet || return 1
  [ "$init" != systemd ] || begin_anew || return 1
  [ "$init" = minimal ] || rm -f /etc/mayfly/begin # nobody waits there
  wait $rehearsal
  keep_to_one_cpu
  : >/etc/machine-id
  touch /etc/hostname /etc/hosts /etc/environment # what a clone writes is no longer the image's, which would be copied first
  rm -f /etc/mayfly/template
  sync
}

until_systemd_is_quiet() {
  state=$(timeout "$SETTLE_SECONDS" $systemctl is-system-running --wait)
  case $state in
  running | degraded) ;;
  *) echo "systemd was still not settled after $SETTLE_SECONDS s" >&4 && return 1 ;;
  esac
}

# No unit waits for the last drivers: each clone would load them once more. Asked for late, as udev goes on by itself; but
# journald must not be kept waiting for it. While udev has something to do its queue is there: so does udevadm find out
# (systemd's udev-util.c, udev_queue_is_empty), which takes half a second to start under emulation.
until_udev_is_quiet() {
  until_true "$SETTLE_SECONDS" test ! -e /run/udev/queue ||
    { echo "udev was still busy after $SETTLE_SECONDS s" >&4 && return 1; }
}

# Such an init tells nobody when it has started all. Its scripts are gone then, and none comes any more.
until_scripts_are_quiet() {
  until_true "$SETTLE_SECONDS" scripts_run || { echo "its init has run no script within $SETTLE_SECONDS s" >&4 && return 1; }
  until_true "$SETTLE_SECONDS" scripts_are_gone || { echo "its init's scripts still ran after $SETTLE_SECONDS s" >&4 && return 1; }
}

scripts_run() { # with a pause before it: nothing tells, and to look takes time from what is waited for
  sleep 1
  cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' | grep -qE '/etc/init.d/|/etc/rc|startpar|openrc'
}

scripts_are_gone() {
  for look in 1 2 3; do ! scripts_run || return 1; done
}

until_minimal_is_quiet() { # minimal-init.sh says when only the image's own program is left to begin
  timeout "$SETTLE_SECONDS" head -n 1 /etc/mayfly/waits && rm /etc/mayfly/waits && return
  echo "its init was still not settled after $SETTLE_SECONDS s" >&4
  return 1
}

# The kernel makes its boot id once and gives no way to change it, so a file of ours is mounted over it, whose text each
# clone makes anew (helper/renew.h). Mounted here: systemd looks through all mounts when one comes, and tells D-Bus of it.
cover_boot_id() {
  mkdir -p /run/mayfly
  cat /proc/sys/kernel/random/boot_id >/run/mayfly/boot_id
  chmod 444 /run/mayfly/boot_id
  mount --bind /run/mayfly/boot_id /proc/sys/kernel/random/boot_id
}

# begin_anew: starts once more what a clone must not have as it is. journald keeps the boot id and machine-id that it was
# started with: now it waits at a pipe in the boot id's place, which prepare.sh has systemd give it; its sockets keep what is
# logged until then. So little is left to do for a clone: all of its start takes more of an emulated CPU than the first login.
# udevd ends its workers, idle now, three seconds after the last event, and looks whether all of them are gone (systemd's
# udevd.c, on_post): in each clone once more. One that has had no event yet has none.
begin_anew() {
  again= udevd=$(pidof systemd-udevd)
  [ ! -S /run/systemd/journal/socket ] || { again=systemd-journald.service && mkfifo -m 600 "$journal"; }
  [ -z "$udevd" ] || again="$again systemd-udevd.service"
  [ -z "$again" ] || $systemctl restart --no-block $again
  [ -z "$udevd" ] || until_true 20 udevd_is_new || : # then each clone has a little more to do
  [ ! -p "$journal" ] || hold_journal || { echo "its journald does not wait for a boot id" >&4 && return 1; }
}

udevd_is_new() { # and waits for an event, in one of the kernel's functions for epoll(7)
  new=$(pidof systemd-udevd) && [ "$new" != "$udevd" ] || return
  case $(cat "/proc/$new/wchan") in *ep*oll*) ;; *) return 1 ;; esac
}

# hold_journal: until the new journald waits, and nothing is left of the old one. See begin_anew.
hold_journal() {
  until_true 20 journal_waits || return
  rm -rf /run/log/journal/* /var/log/journal/*
  # systemd watches its sockets until it is ready; what comes there first has systemd tell D-Bus of it, which passes it on.
  # Here rather than in each clone: journald overlooks a message with nothing in it.
  heard=
  for socket in socket dev-log; do
    /usr/lib/mayfly/helper knock /run/systemd/journal/$socket || continue
    case $socket in socket) heard="$heard systemd-journald.socket" ;; *) heard="$heard systemd-journald-dev-log.socket" ;; esac
  done
  until_true 5 sockets_are_heard $heard || :
}

sockets_are_heard() { # sockets_are_heard UNIT...
  [ "$($systemctl show --property SubState --value "$@" | grep -c running)" = $# ]
}

journal_waits() {
  waits_at_pipe "$(pidof systemd-journald)"
}

# waits_at_pipe PID: the kernel's function in which it sleeps is that of opening one.
waits_at_pipe() {
  [ "$(cat "/proc/$1/wchan")" = wait_for_partner ]
}

# A template's sshd starts, but has no host key: it waits for one at a pipe in the key's place, and says by another one in
# its pid file's place that it listens. See helper/identity.h. What it draws from random pools before that it does not
# use: the processes that talk to clients are forks of it, which draw anew (OpenSSH's reseed_prngs).
prepare_door() {
  mkfifo -m 600 /etc/mayfly/ssh_host_key /etc/mayfly/sshd-listens
  (exec 4>&- && serve /etc/mayfly/sshd-listens) &
}

door_waits() {
  waits_at_pipe "$(cat /etc/mayfly/sshd.pid)"
}

# release PIPE LINE: lets go on what waits there. Whoever has opened the pipe gets the line, all others do not find it.
release() {
  [ -p "$1" ] || return
  exec 5<>"$1"
  rm -f "$1"
  echo "$2" >&5
  exec 5>&-
}

release_journal() {
  read -r boot_id </proc/sys/kernel/random/boot_id
  release "$journal" "$boot_id"
  patience=
}

# become: what a template waits in, until it is a clone and gets its identity. The helper says that it waits, so that a clone
# has but to go on.
become() {
  is_clone=yes
  id=$(/usr/lib/mayfly/helper become <&3 2>/etc/mayfly/said)
  code=$?
  patience="-t 20" # journald must not wait for ever, should the host have ended
  [ $code != 0 ] || return # it has answered
  read -r said </etc/mayfly/said
  if [ $code = 3 ]; then
    cat /etc/mayfly/allowed >>/etc/hosts
    access && code=0
  fi
  answer "$id" $code "$said"
}

# greet: a clone's console would be empty, and whoever looks there would not know why.
greet() {
  read -r name </proc/sys/kernel/hostname
  said="mayfly: $name was started from a template, which had booted before."
  [ "$init" != systemd ] || said="$said What its services say is in its journal: journalctl -b"
  echo "$said" >/dev/console
}

# keep_clock: as long as the machine is on. Of all that a machine does, this alone goes on where nobody asks for it.
keep_clock() {
  (. /usr/lib/mayfly/clock.sh) 3>&- </dev/null >/dev/null 2>&1 & # no new program: see `steady`
}

# begin: starts what a template puts off until it is a machine: the image's own program, which minimal-init.sh has wait,
# and its own SSH server, where prepare.sh has taken that from systemd's hands.
begin() {
  [ "$init" != minimal ] || greet # before the program's lines, not among them
  release /etc/mayfly/begin ""
  if [ "$init" = scripts ]; then
    for script in /etc/init.d/ssh /etc/init.d/sshd; do
      [ ! -x $script ] || (PATH=$WITH_IMAGES_PROGRAMS && exec $script start) </dev/null >/dev/null 2>&1
    done
  fi
  [ ! -e /etc/mayfly/start-after ] ||
    (PATH=$WITH_IMAGES_PROGRAMS && systemctl start --no-block "$(cat /etc/mayfly/start-after)") >/dev/null 2>&1
}

# power_off: by the init's own way, in the background, as it may wait for all that runs. The image's program by its path:
# by its name our shell runs its own one, which asks a busybox's init, and no other understands that. A second time only where
# that does no harm: sysvinit's halt(8) does not wait for what is being stopped.
is_going=
power_off() {
  case $init,$is_going in scripts,yes | other,yes) return ;; esac
  is_going=yes
  case $init in
  systemd) set -- systemctl poweroff ;;
  minimal) set -- /usr/lib/mayfly/busybox poweroff ;;
  *)
    for program in /sbin/poweroff /usr/sbin/poweroff poweroff; do [ ! -x "$program" ] || break; done
    set -- $program
    ;;
  esac
  (PATH=$WITH_IMAGES_PROGRAMS && exec "$@") </dev/null >/dev/null 2>&1 &
}

# Has the files in memory that a login reads, so that the first one does not wait for the disk: programs, PAM's modules and
# what these load, and what all of them look up. Without a real login: over TCP the kernel would draw its secret for sequence
# numbers, which all clones would share.
rehearse() {
  for shell in /bin/bash /bin/sh; do [ ! -x "$shell" ] || "$shell" -lc true; done
  libraries=$(sed -n 's#^.* /#/#p' "/proc/$(cat /etc/mayfly/sshd.pid)/maps" | sort -u)
  set -- "$sshd" $libraries /usr/lib/mayfly/ssh/*/* /usr/lib/openssh/* /usr/libexec/openssh/* /lib/*/security/*.so /lib/security/*.so
  timeout 20 cat "$@" /etc/* /etc/pam.d/* /etc/security/* /etc/security/*/* /etc/default/* /etc/gss/*/* >/dev/null
}

# hear_host: does what the host asks for, one after the other. When patience ends, busybox's `read` leaves its variables as
# they were, and what it has read of a line is lost.
hear_host() {
  while verb= && read -r $patience verb id size <&3 || [ -n "$patience" ]; do
    said="what the host sent could not be unpacked"
    case $verb in
    access)
      rm -rf /etc/mayfly/access.next
      head -c "$size" <&3 | tar -x -C / && access
      answer "$id" $? "$said"
      ;;
    mounts)
      said=$(sh /usr/lib/mayfly/mount-all.sh 2>&1)
      answer "$id" $? "$said"
      ;;
    units)
      said=$(sh /usr/lib/mayfly/units.sh 2>&1)
      answer "$id" $? "$said"
      ;;
    networks)
      join_networks
      answer "$id" $? "$said"
      ;;
    report)
      wanted=$(head -c "$size" <&3)
      report "$id" ${wanted%% *} "${wanted#* }"
      answer "$id" 0
      ;;
    begin) begin ;;
    cpus) use_all_cpus ;;
    poweroff) power_off ;;
    verified | '') # or nobody says so in time
      use_all_cpus
      release_journal
      [ -z "$is_clone" ] || [ "$init" = minimal ] || greet
      [ -z "$is_clone" ] || keep_clock
      is_clone=
      ;;
    esac
  done
}

[ -e /etc/mayfly/template ] || hear_names
SETTLE_SECONDS=$(cat /etc/mayfly/template 2>/dev/null) # see template-maker.ts
if [ -e /etc/mayfly/template ]; then
  # By `exec`: for a call alone the shell keeps a copy of the descriptor, which the door would inherit and never close.
  if unfit=$(PATH=$WITH_IMAGES_PROGRAMS && exec 4>&1 </dev/null >/dev/null 2>&1 && settle); then
    become
  else
    echo "unfit $unfit" >&3
  fi
  hear_host # read by now: what comes behind this, each clone would have to read
else
  (
    await_run
    leave_init
    serve none &
    keep_clock
    await_server
    await_admission && echo listening >&3
  ) &
  hear_host
fi
