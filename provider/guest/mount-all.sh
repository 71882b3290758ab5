# Mounts the host's directories. Runs in the guest's root; says what went wrong on its standard output.
PATH=/usr/lib/mayfly/bin
export PATH
tab=$(printf '\t')
while IFS=$tab read -r tag target options; do
  grep -qw virtiofs /proc/filesystems || { echo "the image's kernel has no virtiofs, which mounts need" && exit 1; }
  mkdir -p "$target"
  # A device that was just plugged in has its name a moment later: the kernel tells nobody who could wait here.
  tries=0
  until said=$(mount -t virtiofs -o "$options" "$tag" "$target" 2>&1); do
    tries=$((tries + 1))
    [ $tries -lt 500 ] || { echo "virtiofs mount of $target failed: $said" && exit 1; }
    sleep 0.01
  done
done </etc/mayfly/mounts
