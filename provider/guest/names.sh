# Keeps the names of the private networks in /etc/hosts, as their switches tell them over a virtio-serial port each: a list
# now, and another one whenever a machine comes or goes. A file, as every program looks there, with any C library and any
# resolver; over a port, as nobody in the network can pretend to be the switch there. Started by agent.sh.
PATH=/usr/lib/mayfly/bin
export PATH
. /usr/lib/mayfly/until-true.sh
cd /etc/mayfly || exit 1

find_port() { # find_port NAME: sets port
  for name in /sys/class/virtio-ports/*/name; do
    [ "$(cat "$name" 2>/dev/null)" = "$1" ] || continue
    port=/dev/$(basename "${name%/name}")
    [ -e "$port" ] && return
  done
  return 1
}

hear() { # hear INDEX: what the switch of that network says, with the index before each line
  until_true 20 find_port "mayfly.names$1" || return # of a clone of a template it was just plugged in
  exec 3<>"$port"
  echo hello >&3
  while read -r line <&3; do echo "$1 $line"; done
}

# Other lines of the file stay, but for the one that makes the machine's own name a loopback address: what it tells the
# others of itself must hold for them too.
merge() {
  { cat names.[0-9]* && grep -v -e '# mayfly network$' -e '^127\.0\.1\.1 ' /etc/hosts || :; } >hosts.new && chmod 644 hosts.new &&
    mv hosts.new /etc/hosts
}

# One process writes, whoever of those that hear has something to tell: so there is nothing to lock.
while read -r index rest; do hear "$index" & done <networks | while read -r index line; do
  case $line in
  begin) : >list."$index" ;;
  end) mv list."$index" names."$index" && merge ;;
  *) echo "$line # mayfly network" >>list."$index" ;;
  esac
done
