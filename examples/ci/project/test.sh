# Tests that want a real machine, in the Test Anything Protocol. What fails ends the job.
set -eu
echo "1..3"
[ "$(systemctl is-system-running --wait)" = running ]
echo "ok 1 - the system is up"
modprobe dummy
ip link add lab type dummy
ip addr add 192.0.2.1/24 dev lab
echo "ok 2 - a kernel module, and a network card of its own"
mount -t tmpfs lab /mnt
mountpoint -q /mnt
echo "ok 3 - a file system, mounted"
