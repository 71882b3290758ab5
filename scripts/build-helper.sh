#!/bin/sh
# Builds the guest's helper program, which is committed, for each kind of machine: `npm run build:helper`. Needs gcc and
# the cross compiler (Debian: gcc-aarch64-linux-gnu); the same compilers give the same bytes. The sources' digest goes into
# the program, so that a test sees when one is newer than the other.
set -eu
cd "$(dirname "$0")/../provider/guest/helper"
digest=$(cat hash.h helper.c identity.h knock.h list.h renew.h run-as.h system.h | sha256sum | cut -c 1-64)
for machine in x86_64 aarch64; do
  compiler=$machine-linux-gnu-gcc
  [ "$machine" != "$(uname -m)" ] || compiler=gcc
  "$compiler" -Os -static -nostdlib -ffreestanding -fno-stack-protector -fno-pie -no-pie -fno-asynchronous-unwind-tables \
    -fno-tree-loop-distribute-patterns -Wall -Wextra -Werror -DSOURCE_DIGEST="\"$digest\"" \
    -Wl,--build-id=none -Wl,-z,noseparate-code -Wl,-z,norelro -s -o "helper-$machine" helper.c
done
