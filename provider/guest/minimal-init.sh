# What busybox's init starts in an image that has no init of its own; init.sh writes the table. Makes of a container's
# root filesystem what its programs expect of a machine, runs what a container would run, and ends it in order.
#
#   minimal-init.sh mounts | entrypoint | stop
PATH=/usr/lib/mayfly/bin
export PATH
state=/run/mayfly

mounts() {
  mkdir -p /dev/pts /dev/shm $state
  rm -f $state/entrypoint.pid
  mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
  mount -t tmpfs -o mode=1777,nosuid,nodev shm /dev/shm
  mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 /sys/fs/cgroup
  ln -sf /proc/self/fd /dev/fd
  for number in 0:stdin 1:stdout 2:stderr; do ln -sf "fd/${number%:*}" "/dev/${number#*:}"; done
  [ -d /tmp ] || mkdir -m 1777 /tmp
  # For sshd, and for the image's programs that speak to syslog(3): the last MiB of it, which `logread` prints.
  syslogd -C1024
}

# field FILE NAME-OR-NUMBER FIELD: of the line in /etc/passwd or /etc/group.
field() {
  awk -F: -v want="$2" -v field="$3" '$1 == want || $3 == want { print $field; exit }' "$1"
}

cannot_start() {
  echo "mayfly: the entrypoint cannot start: $*"
  exit 1
}

# become_whom: the image's `USER` or `USER:GROUP`, each a name or a number, as numbers; sets uid, gid, more, home.
become_whom() {
  name=${user%%:*} group=
  case $user in *:*) group=${user#*:} ;; esac
  name=${name:-0}
  uid=$(field /etc/passwd "$name" 3)
  gid=$(field /etc/passwd "$name" 4)
  home=$(field /etc/passwd "$name" 6)
  more=-
  if [ -n "$group" ]; then
    gid=$(field /etc/group "$group" 3)
    gid=${gid:-$group}
  else
    more=$(awk -F: -v name="$(field /etc/passwd "$name" 1)" \
      'name != "" && ("," $4 ",") ~ ("," name ",") { printf "%s%s", comma, $3; comma = "," }' /etc/group)
  fi
  uid=${uid:-$name} gid=${gid:-0} home=${home:-/}
  case $uid in *[!0-9]*) cannot_start "the image has no user $uid" ;; esac
  case $gid in *[!0-9]*) cannot_start "the image has no group $gid" ;; esac
}

# find_program: sets program to its path, looked for as execvp does, in the image's PATH.
find_program() {
  case $program in */*) return ;; esac
  IFS=:
  for folder in $path; do
    [ -x "$folder/$program" ] && [ ! -d "$folder/$program" ] && program=$folder/$program && return
  done
  cannot_start "$program is not in PATH=$path"
}

# with_declared VARIABLE...: adds those that the program declares for this machine, which win.
with_declared() {
  while IFS= read -r line; do
    value=${line#*=\"} value=${value%\"}
    set -- "$@" "${line%%=*}=$value"
    case $line in PATH=*) path=$value ;; esac
  done </etc/mayfly/environment
  find_program
  with_command launch "$@"
}

launch() { # launch VARIABLE... PROGRAM ARGUMENT...
  exec setsid /usr/lib/mayfly/helper as "$uid" "$gid" "${more:--}" /usr/lib/mayfly/busybox env -i \
    PATH="$path" HOME="$home" HOSTNAME="$(hostname)" "$@"
}

entrypoint() {
  if [ -p /etc/mayfly/waits ]; then # a template, until the machine is somebody: see begin in agent.sh
    echo >/etc/mayfly/waits
    read -r line </etc/mayfly/begin
  fi
  . /usr/lib/mayfly/entrypoint
  [ -n "$program" ] || { echo "mayfly: the image has no entrypoint: nothing runs but the SSH server" && return; }
  become_whom
  mkdir -p "$directory" && cd "$directory" || cannot_start "there is no folder $directory"
  # A pipe, as containers have one: programs that open /dev/stdout anew must be its owner, and none takes it for a
  # terminal. What is said of its end goes the same way, so it comes last.
  rm -f $state/output
  mkfifo -m 600 $state/output
  chown "$uid:$gid" $state/output
  cat <$state/output >/dev/console &
  exec >$state/output 2>&1 </dev/null
  with_environment with_declared &
  echo $! >$state/entrypoint.pid
  wait $!
  echo "mayfly: entrypoint exited with status $?"
  rm -f $state/entrypoint.pid
}

# stop: asks the entrypoint to end, and gives it the ten seconds that containers get. What is left busybox's init ends.
stop() {
  . /usr/lib/mayfly/entrypoint
  read -r pid <$state/entrypoint.pid || return
  kill "-$stop_signal" "$pid" || kill "$pid" || return
  tries=0
  while kill -0 "$pid" && [ $tries -lt 100 ]; do
    tries=$((tries + 1))
    sleep 0.1
  done
} 2>/dev/null

"$1"
