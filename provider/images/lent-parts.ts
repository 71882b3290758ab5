import { chmod, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Architecture } from "../architectures";
import type { Podman } from "../host/podman";
import { neededLibraries } from "./elf";
import { WITH_IMAGE } from "./mounted";

/** Part of the file's name: raise it when what is done here changes. */
const RECIPE = 3;

/** Name of the disk with what a machine needs and its image lacks; the guest has it at `/usr/lib/mayfly/parts`. */
export const LENT_PARTS = `parts-${String(RECIPE)}.erofs`;

/**
 * Copies from the image, into the folder `$2`: all kernel modules, and the SSH server with its loader `$4` and the modules
 * of PAM that it is to have, which are in `$3`. And what looks up accounts where an image's nsswitch.conf says `compat`: the
 * C library has the usual ways in itself, and without this one it would find nobody.
 */
const COLLECT = `${WITH_IMAGE}
mkdir -p "$2/ssh/lib" "$2/ssh/security"
long cp -a "$root/usr/lib/modules" "$2/modules"
rm -f "$2"/modules/*/build "$2"/modules/*/source
cp "$root/usr/sbin/sshd" "$2/ssh/sshd.image"
cp -L "$root$3/$4" "$2/ssh/ld.so"
cp -L "$root$3/libnss_compat.so.2" "$2/ssh/lib"
cp "$root$3/security/pam_env.so" "$root$3/security/pam_permit.so" "$2/ssh/security"
chmod -R a+rX,go-w "$2"
`;

/** Copies from the image's folder `$3`, into the folder `$2`, libraries by their names. */
const COLLECT_LIBRARIES = `${WITH_IMAGE}
out=$2 libraries=$root$3
shift 3
for name in "$@"; do cp -L "$libraries/$name" "$out/$name"; done
chmod -R a+rX,go-w "$out"
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
  { libraries, loader }: Architecture,
  folder: string,
  file: string,
  signal: AbortSignal,
): Promise<void> {
  const server = join(folder, "ssh");
  await mkdir(folder, { mode: 0o700 });
  await podman.script(COLLECT, [image, folder, libraries, loader.replace(/^.*\//, "")], { signal });
  for (let lacking = await lackingLibraries(server); lacking.length > 0; lacking = await lackingLibraries(server))
    await podman.script(COLLECT_LIBRARIES, [image, join(server, "lib"), libraries, ...lacking], { signal });
  const program = join(server, SSHD);
  await writeFile(program, asLent(await readFile(join(server, "sshd.image")), loader));
  await chmod(program, 0o755);
  await rm(join(server, "sshd.image"));
  await podman.script(PACK, [folder, file], { signal });
}

/** Libraries that what is there of the server needs, and that are not; the loader is one, and there by another name. */
async function lackingLibraries(server: string): Promise<string[]> {
  const there = await readdir(join(server, "lib"));
  const modules = (await readdir(join(server, "security"))).map((name) => join("security", name));
  const files = ["sshd.image", ...modules, ...there.map((name) => join("lib", name))];
  const needed = await Promise.all(files.map(async (name) => neededLibraries(await readFile(join(server, name)))));
  return [...new Set(needed.flat())].filter((name) => !there.includes(name) && !name.startsWith("ld-linux"));
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

function patches(loader: string): readonly Patch[] {
  return [
    // The kernel goes by it, elf(5) PT_INTERP. An image may have another loader, or none.
    { what: "loader", from: loader, to: "/usr/lib/mayfly/ssh/ld.so" },
    // An empty folder in which it locks up the part that talks to who is not yet known. Many an init mounts a new /run.
    { what: "empty folder", from: "/run/sshd", to: "/etc/sshd" },
  ];
}

/**
 * The same program with other paths, so that it works in any image. No byte is moved. Pure.
 *
 * @param loader Path of the loader that it names.
 */
export function asLent(program: Buffer, loader: string): Buffer {
  const patched = Buffer.from(program);
  for (const { what, from, to } of patches(loader)) {
    const at = program.indexOf(`${from}\0`, 0, "latin1");
    if (at < 0) throw new Error(`the program does not name ${from} as its ${what}`);
    patched.fill(0, at, at + from.length);
    patched.write(to, at, "latin1");
  }
  return patched;
}
