import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Program } from "./program";

/** Its `test=panic` on the kernel's command line ends it, which no kernel survives; else it waits for ever. */
const INIT = `#!/usr/lib/mayfly/busybox sh
case "$(/usr/lib/mayfly/busybox cat /proc/cmdline)" in *test=panic*) exit 1 ;; esac
echo "guest: waits for what never comes"
exec /usr/lib/mayfly/busybox sleep 2147483647
`;

/** Puts the kernel and modules of the image `$1` into the folder `$2`. */
const TAKE_KERNEL = `
root=$(podman image mount "$1")
trap 'podman image unmount "$1" >/dev/null' EXIT
mkdir -p "$2/boot" "$2/usr/lib/modules"
cp "$root"/boot/vmlinuz-* "$2/boot/"
cp -r "$root"/usr/lib/modules/. "$2/usr/lib/modules/"
`;

/** Images that are made in a second or two and boot in a few, or not at all. */
export interface SmallImages extends AsyncDisposable {
  /** Boots a real kernel, up to an init that starts no SSH server. */
  readonly silent: string;
  /** Has no file. */
  readonly empty: string;
  /** Is for another processor. */
  readonly foreign: string;
}

/** Makes them in podman's store, with the kernel of an image that is there. */
export async function makeSmallImages(program: Program, kernelFrom: string): Promise<SmallImages> {
  const nameOf = (name: string) => `localhost/${program.name}/${name}`;
  const names = { silent: nameOf("silent"), empty: nameOf("empty"), foreign: nameOf("foreign") };
  const scratch = join(program.home, "images");
  const make = async (name: string, fill: (root: string) => Promise<void>, ...options: readonly string[]) => {
    const root = join(scratch, "root");
    await mkdir(root, { recursive: true });
    await fill(root);
    await program.run("tar", "-C", root, "-cf", join(scratch, "image.tar"), ".");
    await program.run("podman", "import", "--quiet", ...options, join(scratch, "image.tar"), name);
    await rm(scratch, { recursive: true });
  };
  await make(names.silent, async (root) => {
    await mkdir(join(root, "usr", "sbin"), { recursive: true });
    await writeFile(join(root, "usr", "sbin", "sshd"), "", { mode: 0o755 });
    const script = ["sh", "-euc", TAKE_KERNEL, "sh", kernelFrom, root];
    // Of a user's storage the files belong to other ids.
    await (process.getuid?.() === 0 ? program.run("env", ...script) : program.run("podman", "unshare", ...script));
    await mkdir(join(root, "sbin"));
    await writeFile(join(root, "sbin", "init"), INIT, { mode: 0o755 });
  });
  await make(names.empty, async () => undefined);
  await make(
    names.foreign,
    async (root) => writeFile(join(root, "program"), "for another processor"),
    "--arch",
    "arm64",
  );
  return {
    ...names,
    async [Symbol.asyncDispose]() {
      await program.run("podman", "rmi", "--force", ...Object.values(names));
    },
  };
}
