# Takes the disks that are not of the guest's root, and mounts the host's directories. Runs in the guest's root; says what
# went wrong on its standard output.
PATH=/usr/lib/mayfly/bin
export PATH
. /usr/lib/mayfly/until-true.sh
tab=$(printf '\t')

find_disk() { # find_disk SERIAL: sets disk to the name that the kernel has given to it
  for file in /sys/block/vd*/serial; do
    [ "$(cat "$file" 2>/dev/null)" = "$1" ] || continue
    disk=${file%/serial} disk=${disk##*/}
    return
  done
  return 1
}

# The link that udev makes in most images, also where there is no udev, and before it has come to it.
take_disk() { # take_disk SERIAL
  until_true 20 find_disk "$1" || { echo "the disk $1 is missing: the image's kernel has no virtio-blk driver, or no PCI hot-plug" && return 1; }
  mkdir -p /dev/disk/by-id
  ln -sfn "../../$disk" "/dev/disk/by-id/virtio-$1"
  [ "$1" = mayfly-swap ] || return 0
  said=$(mkswap "/dev/$disk" 2>&1 && swapon "/dev/$disk" 2>&1) || { echo "cannot swap to a disk: $said" && return 1; }
}

mount_share() {
  said=$(mount -t virtiofs -o "$options" "$tag" "$target" 2>&1)
}

while read -r serial; do
  take_disk "$serial" || exit 1
done </etc/mayfly/disks
while IFS=$tab read -r tag target options; do
  grep -qw virtiofs /proc/filesystems || { echo "the image's kernel has no virtiofs, which mounts need" && exit 1; }
  mkdir -p "$target"
  # A device that was just plugged in has its name a moment later: the kernel tells nobody who could wait here.
  until_true 20 mount_share || { echo "virtiofs mount of $target failed: $said" && exit 1; }
done </etc/mayfly/mounts
