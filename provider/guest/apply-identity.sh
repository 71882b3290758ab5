# Makes this root filesystem a machine of its own: name, machine-id, environment, hardware address. The files under
# /etc/mayfly came with the identity disk, or from the host after a restore. Runs in the guest's root, before its init or
# beside it, and on the way of every warm boot: so it does by the shell itself what the shell can do.
PATH=/usr/lib/mayfly/bin
export PATH
cd /etc/mayfly || exit 1

read -r name <hostname
echo "$name" >/etc/hostname
echo "$name" >/proc/sys/kernel/hostname
{
  printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$name"
  cat hosts.image
} >/etc/hosts

read -r id <machine-id
echo "$id" >/etc/machine-id
if [ -d /var/lib/dbus ] && [ ! -L /var/lib/dbus/machine-id ]; then echo "$id" >/var/lib/dbus/machine-id; fi

cat environment.image environment >/etc/environment
read -r mac <mac
[ ! -e /sys/class/net/eth0 ] || [ "$(cat /sys/class/net/eth0/address)" = "$mac" ] || ip link set dev eth0 address "$mac"
