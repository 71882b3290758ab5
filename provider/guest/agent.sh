# The guest agent: opens the door for SSH, tells the host how far the guest is, and applies what the host sends, over a
# virtio-serial port. Started by init.sh with sshd's path; no child of the image's init.
#
# Guest to host, one line each: listening | waiting | done ID | failed ID REASON.
# Host to guest: VERB ID SIZE, then what the verb says. The host sends one message at a time and waits for its answer,
# so no read takes more than its own message.
#   access    SIZE bytes of a tar: who may log in
#   identity  56 bytes for `helper renew`, then SIZE bytes of a tar: the machine that this template's clone becomes
#   mounts    nothing: mounts what the identity has declared; its devices are plugged in now
sshd=$1
PATH=/usr/lib/mayfly/bin
export PATH
port=
for name in /sys/class/virtio-ports/*/name; do
  [ "$(cat "$name")" = mayfly.agent ] && port=/dev/$(basename "${name%/name}")
done
[ -n "$port" ] || exit 1
exec 3<>"$port"

# An sshd of its own for each connection, which reads keys and rules when it is started: so they can change at any time.
# machines/qemu-command.ts has the port. Not 22, which belongs to the image's own server.
env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  /usr/lib/mayfly/helper accept 64022 /run/sshd "$sshd" -i 3>&- 2>/dev/null &

answer() { # answer ID EXIT-CODE REASON
  if [ "$2" = 0 ]; then echo "done $1" >&3; else echo "failed $1 $(echo "$3" | tr '\n' ' ')" >&3; fi
}

access() { # access: applies /etc/mayfly/access.next; says what went wrong
  said=$(sh /usr/lib/mayfly/apply-access.sh 2>&1) || return 1
  case $said in *problem:*) said=$(echo "$said" | grep problem:) && return 1 ;; esac
}

# Goes on until the machine is as quiet as it will be, and leaves nothing in it that a clone must not share.
settle() {
  if [ -e /etc/systemd/system ]; then
    until [ -S /run/systemd/private ]; do sleep 0.05; done
    systemctl is-system-running --wait
  fi
  rehearse
  # journald keeps the boot id and machine-id that it was started with. Its sockets stay, so the first message starts it.
  [ ! -S /run/systemd/journal/socket ] || systemctl stop systemd-journald.service
  rm -rf /run/log/journal/* /var/log/journal/*
  : >/etc/machine-id
  rm -f /etc/mayfly/template
  sync
}

# Has the files in memory that a login reads, so that the first one does not wait for the disk. Without a real login:
# over TCP the kernel would draw its secret for sequence numbers, which all clones would share.
rehearse() {
  "$sshd" -t
  for shell in /bin/bash /bin/sh; do [ ! -x "$shell" ] || "$shell" -lc true; done
  cat "$sshd" /usr/lib/openssh/* /usr/libexec/openssh/* /lib/*/security/*.so /lib/security/*.so /etc/pam.d/* >/dev/null
}

if [ -e /etc/mayfly/template ]; then
  PATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin settle </dev/null >/dev/null 2>&1
  echo waiting >&3
else
  # 0016 is port 22, 0A the state LISTEN: proc(5), /proc/net/tcp. Nothing tells of a new listener, so this looks. systemd
  # lets nobody but root log in while /run/nologin is there (pam_nologin(8)), which may be a little longer.
  (
    until cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -q ':0016 [0-9A-F]*:0000 0A' && [ ! -e /run/nologin ]; do
      sleep 0.05
    done
    echo listening >&3
  ) &
fi

while read -r verb id size <&3; do
  said="what the host sent could not be unpacked"
  case $verb in
  access)
    rm -rf /etc/mayfly/access.next
    head -c "$size" <&3 | tar -x -C / && access
    answer "$id" $? "$said"
    ;;
  identity)
    said=$(/usr/lib/mayfly/helper renew <&3 2>&1) && head -c "$size" <&3 | tar -x -C / &&
      said=$(sh /usr/lib/mayfly/apply-identity.sh 2>&1) && access
    answer "$id" $? "$said"
    [ ! -e /etc/mayfly/start-after ] || systemctl start --no-block "$(cat /etc/mayfly/start-after)"
    ;;
  mounts)
    said=$(sh /usr/lib/mayfly/mount-all.sh 2>&1)
    answer "$id" $? "$said"
    ;;
  esac
done
