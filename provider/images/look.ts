import { readFileSync } from "node:fs";
import { join } from "node:path";
import { MayflyError } from "../errors";
import type { Podman } from "../host/podman";
import { WITH_IMAGE } from "./mounted";

/**
 * Finds the init of an image whose files are at `$root`, with what `mounted.ts` brings. Links are followed by hand: the
 * kernel would leave the image with those that are absolute. One that leads nowhere counts all the same, as it may by way of
 * another.
 */
export const FIND_INIT = `
is_there() {
  [ -e "$root$1" ] || [ -L "$root$1" ]
}
leads_to() {
  at=$1
  is_there "$at" || return
  for level in 1 2 3 4 5 6 7 8; do
    link=$(readlink "$root$at") || break
    case $link in /*) at=$link ;; *) at=\${at%/*}/$link ;; esac
  done
  echo "$at"
}
${readFileSync(join(__dirname, "..", "guest", "find-init.sh"), "utf8")}
find_init
`;

/** `first WHAT FILE...` prints WHAT and the first of the files that is there, in the folder that the shell is in. */
export const FIRST = `
first() {
  what=$1
  shift
  for file in "$@"; do
    if [ -e "$file" ] || [ -L "$file" ]; then echo "$what $file" && return; fi
  done
}
`;

/**
 * Prints `kernel VERSION FILE MODULES` for each kernel in the image (bootc's place, then Debian's and Fedora's, then those
 * of unified kernel images), `init KIND`, `sshd FILE`, `busybox FILE` for Debian's that needs no library, and `file NAME` for
 * one of its files. A link may point outside of what is mounted here, so being a link is enough.
 */
const LOOK = `${WITH_IMAGE}
${FIND_INIT}
echo "init $kind"
cd "$root"
${FIRST}
first file * .[!.]*
first sshd usr/sbin/sshd usr/bin/sshd sbin/sshd
[ ! -e var/lib/dpkg/info/busybox-static.list ] || first busybox usr/bin/busybox bin/busybox
for modules in $(within usr/lib/modules '*') $(within lib/modules '*'); do
  version=\${modules##*/}
  is_file "$modules/modules.dep" || continue
  for kernel in "$modules/vmlinuz" "boot/vmlinuz-$version" "boot/vmlinux-$version" $(within "$modules" '*.efi') \\
    $(within boot/EFI/Linux "*$version*.efi") $(within efi/EFI/Linux "*$version*.efi"); do
    if is_file "$kernel"; then echo "kernel $version $kernel $modules" && break; fi
  done
done
`;

/** A kernel in an image. */
export interface FoundKernel {
  /** As `uname -r` says. */
  readonly version: string;
  /** Path within the image. */
  readonly kernel: string;
  /** Path within the image of its modules' folder. */
  readonly modules: string;
}

/** Kinds of init, as `guest/find-init.sh` tells them. */
const INITS = ["systemd", "scripts", "other", "minimal"] as const;

/** What an image holds of what a machine needs. The rest is lent to it. */
export interface FoundParts {
  readonly kernel: FoundKernel | undefined;
  /** `minimal`: none, Mayfly's own takes its place. */
  readonly init: (typeof INITS)[number];
  readonly hasSshd: boolean;
  /** Path within the image of a busybox that needs no library. */
  readonly busybox: string | undefined;
}

/**
 * Looks into an image.
 *
 * @throws {MayflyError} `IMAGE_NOT_BOOTABLE` when there is nothing in it, or podman cannot show what is.
 */
export async function look(podman: Podman, image: string, signal: AbortSignal): Promise<FoundParts> {
  let lines: string;
  try {
    lines = await podman.script(LOOK, [image], { signal });
  } catch (error) {
    if (!(error instanceof MayflyError) || error.code !== "TOOL_FAILED") throw error;
    throw new MayflyError("IMAGE_NOT_BOOTABLE", "podman cannot show the image's files", {
      evidence: error.evidence,
      remedy: "it is broken, or no image of a root filesystem: remove it (`podman rmi`) and pull or build it again",
      cause: error,
    });
  }
  const all = lines.split("\n");
  const seen = new Set(all.map((line) => line.split(" ")[0]));
  if (!seen.has("file")) {
    throw new MayflyError("IMAGE_NOT_BOOTABLE", "the image is empty", {
      evidence: "there is no file in its root folder",
      remedy: "check how it was built (`podman history NAME`); a machine needs at least one program in it",
    });
  }
  return {
    kernel: newestKernel(lines),
    init: INITS.find((kind) => all.includes(`init ${kind}`)) ?? "minimal",
    hasSshd: seen.has("sshd"),
    busybox: /^busybox (.*)$/m.exec(lines)?.[1],
  };
}

/** Reads the lines about kernels; the highest version wins, as a boot loader would have it. */
export function newestKernel(lines: string): FoundKernel | undefined {
  const kernels = lines.split("\n").flatMap((line) => {
    const [what, version, kernel, modules] = line.split(" ");
    return what === "kernel" && version && kernel && modules ? [{ version, kernel, modules }] : [];
  });
  const newestFirst = (a: FoundKernel, b: FoundKernel) => b.version.localeCompare(a.version, "en", { numeric: true });
  return kernels.sort(newestFirst)[0];
}
