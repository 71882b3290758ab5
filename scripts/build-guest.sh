#!/bin/sh
# Builds what the guest has of compiled C, which is committed, for each kind of machine: `npm run build:guest`. Needs gcc and
# the cross compiler (Debian: gcc-aarch64-linux-gnu); the same compilers give the same bytes. The sources' digest goes into
# each, so that a test sees when one is newer than the other.
set -eu
cd "$(dirname "$0")/../provider/guest"

# build MACHINE FOLDER OUTPUT [OPTION...]: from the C file that is called as its folder.
build() {
  machine=$1 folder=$2 output=$3
  shift 3
  compiler=$machine-linux-gnu-gcc
  [ "$machine" != "$(uname -m)" ] || compiler=gcc
  digest=$(LC_ALL=C && cat "$folder"/*.[ch] | sha256sum | cut -c 1-64)
  "$compiler" -Os -nostdlib -ffreestanding -fno-stack-protector -fno-asynchronous-unwind-tables \
    -fno-tree-loop-distribute-patterns -Wall -Wextra -Werror -DSOURCE_DIGEST="\"$digest\"" \
    -Wl,--build-id=none -Wl,-z,noseparate-code -Wl,-z,norelro -s -o "$output" "$folder/$folder.c" "$@"
}

scratch=$(mktemp -d)
trap 'rm -r "$scratch"' EXIT
for machine in x86_64 aarch64; do
  build $machine helper "helper/helper-$machine" -static -fno-pie -no-pie
  # Needs PAM's library, so that it is begun after that one; here a stand-in has the name, as there is none for each machine.
  mkdir "$scratch/pam"
  echo 'int pam_start(void) { return 0; }' >"$scratch/pam/pam.c"
  (cd "$scratch" && build $machine pam "$scratch/libpam.so" -shared -fPIC -Wl,-soname,libpam.so.0)
  build $machine pam-ahead "pam-ahead/pam-ahead-$machine" -shared -fPIC "$scratch/libpam.so"
  rm -r "$scratch/pam"
done
