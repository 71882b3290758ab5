#!/bin/sh
# Builds the guest's helper program, which is committed: `npm run build:helper`. Needs gcc; the same compiler gives the
# same bytes. The sources' digest goes into the program, so that a test sees when one is newer than the other.
set -eu
cd "$(dirname "$0")/../provider/guest/helper"
digest=$(cat helper.c identity.h renew.h run-as.h system.h | sha256sum | cut -c 1-64)
gcc -Os -static -nostdlib -ffreestanding -fno-stack-protector -fno-pie -no-pie -fno-asynchronous-unwind-tables \
  -fno-tree-loop-distribute-patterns -Wall -Wextra -Werror -DSOURCE_DIGEST="\"$digest\"" \
  -Wl,--build-id=none -Wl,-z,noseparate-code -Wl,-z,norelro -s -o "helper-$(uname -m)" helper.c
