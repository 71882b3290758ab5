# Says what can be seen of the guest from inside, for `mayfly diagnose`: one line a fact, its name first, in the kernel's or
# the programs' own words, which the host reads (provider/diagnose/report.ts). Changes nothing, waits for nothing for long.
#
#   report.sh SECTION USER SSHD INIT [RULE...]
#
# state    how the guest is, and what stands between the user and a login
# network  between the guest's card and its sshd
# log      what sshd has said
section=$1 user=$2 sshd=$3 init=$4
shift 4
WITH_IMAGES_PROGRAMS=$PATH:/usr/sbin:/usr/bin:/sbin:/bin
DOOR=FA16 # 64022

each() { # each NAME: its input as facts of that name
  while read -r line; do echo "$1 $line"; done
}

# process NAME PID: state and name, out of proc(5) `/proc/PID/stat`
process() {
  read -r line <"/proc/$2/stat" || return
  title=${line#*\(} rest=${line##*) }
  echo "$1 ${rest%% *} ${title%%)*}"
}

counters() { # the same in two sections: what happens between them, shows in the difference
  grep -E '^(Tcp|Icmp):' /proc/net/snmp | each snmp
}

load_memory_disk() {
  echo "clock $(date +%s)"
  read -r line </proc/uptime && echo "uptime $line"
  read -r line </proc/loadavg && echo "load $line"
  sed -n 's/^MemTotal: */memory-total /p; s/^MemAvailable: */memory-available /p' /proc/meminfo
  dmesg | grep 'Out of memory: Killed process' | tail -n 1 | each out-of-memory
  while read -r device mount rest; do
    case $mount in / | /tmp | /var | /run | /home | /root) stat -f -c "disk $mount %S %b %a %c %d" "$mount" ;; esac
  done </proc/mounts
}

init_state() {
  echo "init $init"
  process pid1 1
  [ "$init" = systemd ] || return
  state=$(PATH=$WITH_IMAGES_PROGRAMS timeout 3 systemctl is-system-running 2>/dev/null)
  echo "systemd $state"
  case $state in
  initializing | starting | stopping) PATH=$WITH_IMAGES_PROGRAMS timeout 3 systemctl list-jobs --no-legend --no-pager | head -n 4 | each job ;;
  degraded) PATH=$WITH_IMAGES_PROGRAMS timeout 3 systemctl --failed --no-legend --no-pager --plain | head -n 4 | each failed-unit ;;
  esac
}

door() {
  read -r pid </etc/mayfly/sshd.pid && process sshd "$pid"
  if grep -q ":$DOOR [0-9A-F]*:[0-9A-F]* 0A " /proc/net/tcp; then
    echo "door open"
  else
    echo "door closed"
    timeout 5 "$sshd" "$@" -t 2>&1 | head -n 3 | each sshd-test
  fi
  read -r line </etc/mayfly/ssh_host_key.pub && echo "host-key $line"
}

account() {
  for file in /run/nologin /etc/nologin /var/run/nologin; do [ ! -e $file ] || echo "nologin $file"; done
  while IFS=: read -r name password uid gid gecos home shell; do
    [ "$name" = "$user" ] || continue
    echo "account $uid:$shell"
    [ ! -x "${shell:-/bin/sh}" ] || echo "shell-runs yes"
  done </etc/passwd
}

# keys: the file that sshd reads, and the modes of all that leads to it, which sshd looks at (sshd_config(5), StrictModes)
keys() {
  path=$(readlink -f "/etc/mayfly/access/keys/$user")
  head -n 20 "$path" | cut -c 1-1500 | each authorized
  while [ -n "$path" ]; do
    stat -c 'path %a %u %n' "$path"
    path=${path%/*}
  done
  stat -c 'path %a %u %n' /
}

network() {
  counters
  read -r line </sys/class/net/eth0/flags && echo "card-flags $line"
  ip -4 addr show dev eth0 | grep inet | each card-address
  ip -4 route | head -n 10 | each route
  grep ":$DOOR [0-9A-F]*:[0-9A-F]* 0[^A] " /proc/net/tcp | head -n 20 | each connection
  PATH=$WITH_IMAGES_PROGRAMS
  if command -v nft >/dev/null; then
    timeout 3 nft list ruleset | grep -E 'drop|reject' | head -n 10 | each firewall
  elif command -v iptables >/dev/null; then
    timeout 3 iptables -S | grep -E 'DROP|REJECT' | head -n 10 | each firewall
  fi
}

# segments: the card of each private network: its hardware address, its name, the kernel's flags for it, its addresses
segments() {
  while read -r index mac address; do
    for file in /sys/class/net/*/address; do
      read -r its <"$file" && [ "$its" = "$mac" ] || continue # also what is above the card: a bridge, a bond
      card=${file%/address}
      read -r flags <"$card/flags"
      echo "segment $mac ${card##*/} $flags" $(ip -4 addr show dev "${card##*/}" | sed -n 's/^ *inet \([^ ]*\).*/\1/p')
    done
  done </etc/mayfly/networks
  echo 'segments told'
}

log() {
  PATH=$WITH_IMAGES_PROGRAMS
  if command -v journalctl >/dev/null && [ -S /run/systemd/journal/socket ]; then
    timeout 5 journalctl --quiet --no-pager --output cat --lines 8 -t sshd -t sshd-session -t mayfly-sshd
  else
    for file in /var/log/auth.log /var/log/secure /var/log/messages; do
      [ ! -e $file ] || grep 'sshd' $file | tail -n 8
    done
    logread | grep sshd | tail -n 8 # a syslogd that keeps it in memory, as ours does
  fi | each log
}

case $section in
state) # what is quick comes first: on a busy host the rest may not be said in time
  counters
  load_memory_disk
  door "$@"
  init_state
  account
  keys
  segments
  ;;
network) network ;;
log) log ;;
esac 2>/dev/null
