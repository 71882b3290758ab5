/**
 * For scripts that read an image whose files are at `$root`. Its links say where they lead in the machine, not on this host:
 * an image that nobody knows may have one to a file of the host's, and whoever reads it here may be root. So nothing of an
 * image is opened but by these, which never leave it, and never open what is no file: a pipe would not end. (But for the
 * image that we have made ourselves, to lend an SSH server from.)
 *
 * `where PATH` prints where a path leads, without links; fails where they lead round. `is_file PATH` tells whether that is
 * a file. `text_of PATH` prints it, nothing where there is none. `take PATH FILE` copies it to a file of ours, and fails
 * where there is none. `within FOLDER PATTERN` prints the paths of what is in a folder and fits.
 */
export const IMAGE_FILES = `
where() (
  left=/$1 at='' links=0
  while [ -n "$left" ]; do
    left=\${left#/}
    part=\${left%%/*}
    left=\${left#"$part"}
    case $part in
    '' | .) continue ;;
    ..) at=\${at%/*} && continue ;;
    esac
    if [ ! -L "$root$at/$part" ]; then
      at=$at/$part
      continue
    fi
    links=$((links + 1))
    [ "$links" -le 40 ] || return 1
    link=$(readlink "$root$at/$part")
    case $link in /*) at='' ;; esac
    left=/$link$left
  done
  printf '%s' "$at"
)
is_file() {
  found=$(where "$1") && [ -f "$root$found" ]
}
text_of() {
  ! is_file "$1" || cat "$root$found"
}
take() {
  if ! is_file "$1"; then
    echo "/$1 is no file of the image" >&2
    return 1
  fi
  cat "$root$found" >"$2"
}
within() (
  found=$(where "$1") && cd "$root$found" 2>/dev/null || return 0
  for name in $2; do echo "$1/$name"; done
)
`;

/**
 * Mounts the image at `$root` while the script runs, and brings {@link IMAGE_FILES}. `long COMMAND…` is for what takes more
 * than a second: a shell hears of a signal only between commands, and one that a signal ends would leave all as it is.
 */
export const WITH_IMAGE = `
image=$1 root='' child=''
leave() {
  [ -z "$child" ] || { kill "$child" && wait "$child"; } 2>/dev/null || :
  [ -z "$root" ] || podman image unmount "$image" >/dev/null 2>&1 || :
}
trap leave EXIT
trap 'exit 143' HUP INT TERM
long() {
  "$@" &
  child=$!
  wait "$child"
  child=''
}
root=$(podman image mount "$image")
${IMAGE_FILES}
`;
