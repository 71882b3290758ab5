# The guest agent: tells the host when sshd listens, and applies what the host sends, over a virtio-serial port.
# Guest to host, one line each: listening | done ID | failed ID REASON. Host to guest: access ID SIZE, then SIZE bytes of
# a tar. The host sends one message at a time and waits for its answer, so no read takes more than its own message.
PATH=/usr/lib/mayfly/bin
export PATH
port=
for name in /sys/class/virtio-ports/*/name; do
  [ "$(cat "$name")" = mayfly.agent ] && port=/dev/$(basename "${name%/name}")
done
[ -n "$port" ] || exit 1
exec 3<>"$port"

# 0016 is port 22, 0A the state LISTEN: proc(5), /proc/net/tcp. Nothing tells of a new listener, so this looks.
(
  until cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -q ':0016 [0-9A-F]*:0000 0A'; do sleep 0.05; done
  echo listening >&3
) &

while read -r verb id size <&3; do
  case $verb in
  access)
    rm -rf /etc/mayfly/access.next
    if head -c "$size" <&3 | tar -x -C / && said=$(sh /usr/lib/mayfly/apply-access.sh 2>&1); then
      case $said in
      *problem:*) echo "failed $id $(echo "$said" | grep problem: | tr '\n' ' ')" >&3 ;;
      *) echo "done $id" >&3 ;;
      esac
    else
      echo "failed $id $(echo "$said" | tr '\n' ' ')" >&3
    fi
    ;;
  esac
done
