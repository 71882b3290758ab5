#!/bin/busybox sh
# First program in the guest, out of our initramfs: puts the image's root filesystem under a writable overlay, gives it
# the machine's identity, and hands over to the image's own init. Runs again at every reboot of the guest, so all that it
# needs comes from the disks, never from a host program that might have ended.
#
# Disks, by serial number: mayfly-root (the image, erofs), mayfly-identity (a tar), mayfly-scratch (ext4, if any),
# mayfly-parts (erofs, if the image lacks something: kernel modules, and an SSH server with its libraries).
export PATH=/bin
busybox mkdir -p /proc /sys /dev /lower /writable /newroot
busybox mount -t devtmpfs dev /dev
exec </dev/console >/dev/console 2>&1
busybox mount -t proc proc /proc
busybox --install -s /bin # finds its own path in /proc
mount -t sysfs sysfs /sys

# The host watches the console for this line and ends the wait with what follows.
fail() {
  echo "mayfly: cannot boot: $*"
  exec sleep 2147483647 # PID 1 must not end: the kernel would panic and bury the reason
}

for module in /modules/*.ko; do
  insmod "$module" || echo "mayfly: insmod ${module##*/} failed"
done

disk() { # disk SERIAL: the device with that serial number
  for device in /sys/block/vd*; do
    [ "$(cat "$device/serial" 2>/dev/null)" = "$1" ] && echo "/dev/${device##*/}" && return
  done
  return 1
}

root=$(disk mayfly-root) || fail "the root disk is missing: the image's kernel has no virtio-blk driver"
mount -t erofs -o ro "$root" /lower || fail "the image's kernel cannot mount erofs"
if scratch=$(disk mayfly-scratch); then
  mount -t ext4 -o noatime "$scratch" /writable || fail "the image's kernel cannot mount ext4, which the scratch disk needs"
  rm -f /writable/ballast
else
  mount -t tmpfs -o mode=755,size=80% overlay /writable
fi
mkdir -p /writable/upper /writable/work
mount -t overlay -o lowerdir=/lower,upperdir=/writable/upper,workdir=/writable/work overlay /newroot ||
  fail "the image's kernel has no overlay filesystem"

parts=$(disk mayfly-parts)
identity=$(disk mayfly-identity) || fail "the identity disk is missing"
rm -rf /newroot/etc/mayfly/access.next # what a lost power may have left half unpacked
tar -x -f "$identity" -C /newroot || fail "the identity cannot be read"
mkdir -p /newroot/usr/lib/mayfly/bin /newroot/proc /newroot/sys /newroot/dev /newroot/run
cp /mayfly/* /bin/busybox /newroot/usr/lib/mayfly/ || fail "the guest's programs cannot be written"
mount --move /proc /newroot/proc
mount --move /sys /newroot/sys
mount --move /dev /newroot/dev

in_guest() { # in_guest APPLET [ARG...]: runs one of our own programs with the guest's root as its own
  chroot /newroot /usr/lib/mayfly/busybox "$@"
}
in_guest --install -s /usr/lib/mayfly/bin

if [ -n "$parts" ]; then
  mkdir -p /newroot/usr/lib/mayfly/parts
  mount -t erofs -o ro "/newroot$parts" /newroot/usr/lib/mayfly/parts || fail "the image's kernel cannot mount erofs"
  ln -sfn parts/ssh /newroot/usr/lib/mayfly/ssh
  modules=lib/modules/$(uname -r)
  if [ -d "/newroot/usr/lib/mayfly/parts/${modules#lib/}" ] && ! in_guest test -e "/$modules"; then
    in_guest mkdir -p /lib/modules
    in_guest ln -sf "/usr/lib/mayfly/parts/${modules#lib/}" "/$modules"
  fi
fi
sshd=$(in_guest sh -c 'command -v /usr/sbin/sshd || command -v /usr/bin/sshd || command -v /sbin/sshd')
if [ -z "$sshd" ]; then
  sshd=/usr/lib/mayfly/ssh/mayfly-sshd
  in_guest test -x $sshd || fail "the image has no sshd: install openssh-server in it"
fi

ip link set lo up
if [ -e /newroot/sys/class/net/eth0 ]; then # as machines/qemu-command.ts has it; static, as waiting for DHCP costs a second
  # A clone of a template gets another hardware address, and must say so: QEMU's network knows the old one.
  echo 1 >/newroot/proc/sys/net/ipv4/conf/eth0/arp_notify
  ip addr add 10.53.0.15/24 dev eth0
  ip link set eth0 up
  ip route add default via 10.53.0.2
fi

is_there() {
  in_guest test -x "$1"
}
leads_to() { # a link is followed inside the image: by readlink of the guest's own root, not of ours
  in_guest test -x "$1" && in_guest readlink -f "$1"
}
text_of() {
  in_guest cat "$1" 2>/dev/null
}
. /mayfly/find-init.sh
find_init

# Each script says what it does. A template gets its identity, and its mounts, after the restore: see agent.sh.
in_guest sh /usr/lib/mayfly/prepare.sh "$sshd"
if [ ! -e /newroot/etc/mayfly/template ]; then
  said=$(chroot /newroot /usr/lib/mayfly/helper identity 2>&1) || fail "the identity cannot be applied: $said"
  in_guest sh -c 'cat /etc/mayfly/allowed >>/etc/hosts' # names of what it may reach: it has no resolver
  said=$(in_guest sh /usr/lib/mayfly/ignite.sh) || fail "$said" # before the users: what the machine declares of them holds
  said=$(in_guest sh /usr/lib/mayfly/apply-access.sh 2>&1)
  code=$?
  [ -z "$said" ] || echo "$said"
  problems=$(echo "$said" | grep problem:)
  [ $code = 0 ] || problems=${problems:-problem: who may log in cannot be written}
  [ -z "$problems" ] || fail "$(echo "$problems" | sed 's/^.*problem: //' | tr '\n' ';')"
  said=$(in_guest sh /usr/lib/mayfly/mount-early.sh "$kind" 2>&1) || fail "$said"
  said=$(in_guest sh /usr/lib/mayfly/mount-all.sh) || fail "$said"
  said=$(in_guest sh /usr/lib/mayfly/units.sh) || fail "$said"
  said=$(in_guest sh /usr/lib/mayfly/join-networks.sh) || fail "$said"
fi

# Room for what the next start writes, however full the disk is by then; as much as there is.
if [ -n "$scratch" ]; then
  fallocate -l 4194304 /writable/ballast 2>/dev/null || head -c 4194304 /dev/zero >/writable/ballast
fi

# Its root is the new one, and it is no child of the image's init: it works under any init, and survives a broken one. It
# goes to the background from there: the shell opens /dev/null for it, and ours is gone with the next program.
in_guest sh -c 'mayfly=/usr/lib/mayfly; "$mayfly/busybox" setsid "$mayfly/busybox" sh "$mayfly/agent.sh" "$@" </dev/null &' sh "$sshd" $kind
echo "mayfly: starting ${init:-a minimal init}"
[ -z "$init" ] || exec switch_root /newroot "$init"
do="/usr/lib/mayfly/busybox sh /usr/lib/mayfly/minimal-init.sh"
in_guest sh -c 'cat >/etc/inittab' <<END
$OWN_TABLE; inittab(5) of busybox.
::sysinit:$do mounts
::once:$do entrypoint
::shutdown:$do stop
::ctrlaltdel:/usr/lib/mayfly/busybox reboot
END
exec switch_root /newroot /usr/lib/mayfly/busybox init
