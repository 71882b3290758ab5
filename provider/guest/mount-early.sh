# Mounts what the image's init would mount over the host's directories: a mount below /run or /tmp would be gone from sight.
# What is a mount when the init comes, it keeps. Only where there is such a mount: all else is the init's own business. Runs in
# the guest's root, before mount-all.sh and the init; started with the kind of init, see find-init.sh.
PATH=/usr/lib/mayfly/bin
export PATH
tab=$(printf '\t')

# early FOLDER OPTIONS: as systemd has them.
early() {
  grep -q "^[^$tab]*$tab\(/var\)*$1/" /etc/mayfly/mounts || return 0
  mkdir -p "$1" && mount -t tmpfs -o "$2,nosuid,nodev" tmpfs "$1"
}

# mounts_tmp: whether systemd does. It may as soon as it has a unit for it, which other units then ask for.
mounts_tmp() {
  ! grep -qs '^[^#]*[[:space:]]/tmp[[:space:]]' /etc/fstab || return 0
  [ "$(readlink /etc/systemd/system/tmp.mount)" != /dev/null ] || return 1
  for folder in /etc /usr/lib /lib; do
    [ ! -e $folder/systemd/system/tmp.mount ] || return 0
  done
  return 1
}

case $1 in
systemd)
  early /run mode=755,size=20%,nr_inodes=800k,strictatime && early /dev/shm mode=1777,strictatime || exit 1
  ! mounts_tmp || early /tmp mode=1777,size=50%,nr_inodes=1m,strictatime
  ;;
scripts) early /run mode=755,size=20% ;;
esac
