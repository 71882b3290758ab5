import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Podman } from "../host/podman";
import { WITH_IMAGE } from "./look";

/** Part of the file's name: raise it when what is done here changes. */
const RECIPE = 2;

/** Name of the disk with what a machine needs and its image lacks; the guest has it at `/usr/lib/mayfly/parts`. */
export const LENT_PARTS = `parts-${String(RECIPE)}.erofs`;

/**
 * Copies from the image, into the folder `$2`: all kernel modules, and the SSH server with what it loads. Libraries are
 * found by the image's own loader, which lists them instead of starting the program.
 */
const COLLECT = `${WITH_IMAGE}
mkdir -p "$2/ssh/lib" "$2/ssh/security"
cp -a "$root/usr/lib/modules" "$2/modules"
rm -f "$2"/modules/*/build "$2"/modules/*/source
libraries=$root/usr/lib/x86_64-linux-gnu
loader=$libraries/ld-linux-x86-64.so.2
cp "$root/usr/sbin/sshd" "$2/ssh/sshd.image"
cp "$loader" "$2/ssh/ld.so"
cp "$libraries/security/pam_env.so" "$libraries/security/pam_permit.so" "$2/ssh/security"
for program in "$root/usr/sbin/sshd" "$2"/ssh/security/*; do
  "$loader" --library-path "$libraries" --list "$program" | while read -r name arrow path rest; do
    case $name in ld-linux* | */ld-linux*) continue ;; esac
    [ "$arrow" != "=>" ] || cp -L "$path" "$2/ssh/lib/$name"
  done
done
[ -e "$2/ssh/lib/libc.so.6" ]
chmod -R a+rX,go-w "$2"
`;

/** `$1` the folder, `$2` the file. */
const PACK = `mkfs.erofs --quiet -Enoinline_data "$2" "$1" >/dev/null`;

/**
 * Makes the disk out of an image of Debian's.
 *
 * @param folder A scratch folder; its content goes.
 */
export async function makeLentParts(
  podman: Podman,
  image: string,
  folder: string,
  file: string,
  signal: AbortSignal,
): Promise<void> {
  await mkdir(folder, { mode: 0o700 });
  await podman.script(COLLECT, [image, folder], { signal });
  const program = join(folder, "ssh", SSHD);
  await writeFile(program, asLent(await readFile(join(folder, "ssh", "sshd.image"))));
  await chmod(program, 0o755);
  await rm(join(folder, "ssh", "sshd.image"));
  await podman.script(PACK, [folder, file], { signal });
}

/** A name of its own: PAM looks its rules up by it. */
const SSHD = "mayfly-sshd";

interface Patch {
  /** What the text is in the program. */
  readonly what: string;
  readonly from: string;
  /** Not longer. */
  readonly to: string;
}

const PATCHES: readonly Patch[] = [
  // The kernel goes by it, elf(5) PT_INTERP. An image may have another loader, or none.
  { what: "loader", from: "/lib64/ld-linux-x86-64.so.2", to: "/usr/lib/mayfly/ssh/ld.so" },
  // An empty folder in which it locks up the part that talks to who is not yet known. Many an init mounts a new /run.
  { what: "empty folder", from: "/run/sshd", to: "/etc/sshd" },
];

/** The same program with other paths, so that it works in any image. No byte is moved. Pure. */
export function asLent(program: Buffer): Buffer {
  const patched = Buffer.from(program);
  for (const { what, from, to } of PATCHES) {
    const at = program.indexOf(`${from}\0`, 0, "latin1");
    if (at < 0) throw new Error(`the program does not name ${from} as its ${what}`);
    patched.fill(0, at, at + from.length);
    patched.write(to, at, "latin1");
  }
  return patched;
}
