# Keeps the names of one private network in /etc/hosts, as its switch tells them over a virtio-serial port: a list now, and
# another one whenever a machine comes or goes. A file, as every program looks there, with any C library and any resolver;
# over a port, as nobody in the network can pretend to be the switch there. Started by agent.sh with the network's number.
PATH=/usr/lib/mayfly/bin
export PATH
cd /etc/mayfly || exit 1
port=
until [ -n "$port" ]; do # of a clone of a template it was just plugged in
  for name in /sys/class/virtio-ports/*/name; do
    [ "$(cat "$name" 2>/dev/null)" = "mayfly.names$1" ] && port=/dev/$(basename "${name%/name}")
  done
  [ -e "$port" ] || { port= && sleep 0.02; }
done

# One at a time: each network has a loop of its own. Other lines of the file stay, but for the one that makes the
# machine's own name a loopback address: what it tells the others of itself must hold for them too.
merge() {
  until mkdir names.lock 2>/dev/null; do sleep 0.05; done
  { cat names.[0-9]* && grep -v -e '# mayfly network$' -e '^127\.0\.1\.1 ' /etc/hosts || :; } >hosts.new && chmod 644 hosts.new &&
    mv hosts.new /etc/hosts
  rmdir names.lock
}

exec 3<>"$port"
echo hello >&3
while read -r line <&3; do
  case $line in
  begin) : >list."$1" ;;
  end) mv list."$1" names."$1" && merge ;;
  *) echo "$line # mayfly network" >>list."$1" ;;
  esac
done
