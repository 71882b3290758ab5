# Tests that want a real machine, in the Test Anything Protocol. Exits with 1 when one has failed.
failed=0
number=0
check() { # NAME COMMAND...
  name=$1
  shift
  number=$((number + 1))
  if "$@" >&2; then
    echo "ok $number - $name"
  else
    echo "not ok $number - $name"
    failed=1
  fi
}
lab() {
  modprobe dummy && ip link add lab type dummy && ip addr add 192.0.2.1/24 dev lab
}
scratch() {
  mount -t tmpfs lab /mnt && mountpoint /mnt
}

echo "1..3"
check "the system is up" systemctl is-system-running --wait
check "a kernel module, and a network card of its own" lab
check "a file system, mounted" scratch
exit "$failed"
