# Mounts the host's directories. Runs in the guest's root; says what went wrong on its standard output.
PATH=/usr/lib/mayfly/bin
export PATH
. /usr/lib/mayfly/until-true.sh
tab=$(printf '\t')

mount_share() {
  said=$(mount -t virtiofs -o "$options" "$tag" "$target" 2>&1)
}

while IFS=$tab read -r tag target options; do
  grep -qw virtiofs /proc/filesystems || { echo "the image's kernel has no virtiofs, which mounts need" && exit 1; }
  mkdir -p "$target"
  # A device that was just plugged in has its name a moment later: the kernel tells nobody who could wait here.
  until_true 20 mount_share || { echo "virtiofs mount of $target failed: $said" && exit 1; }
done </etc/mayfly/mounts
