import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { MayflyError } from "../errors";
import type { Podman } from "../host/podman";
import { moduleName, modulesInOrder } from "./kernel-modules";

/** Mounts the image at `$root` while the script runs. Every path of ours that a script names starts there or at `$2`. */
const WITH_IMAGE = `
root=$(podman image mount "$1")
trap 'podman image unmount "$1" >/dev/null 2>&1 || :' EXIT
`;

/**
 * Prints `kernel VERSION FILE MODULES` for each kernel in the image (bootc's place, then Debian's and Fedora's), `init
 * FILE` and `sshd FILE`. A link may point outside of what is mounted here, so being a link is enough.
 */
const LOOK = `${WITH_IMAGE}
cd "$root"
first() {
  what=$1
  shift
  for file in "$@"; do
    if [ -e "$file" ] || [ -L "$file" ]; then echo "$what $file" && return; fi
  done
}
first init sbin/init usr/sbin/init usr/lib/systemd/systemd lib/systemd/systemd init
first sshd usr/sbin/sshd usr/bin/sshd sbin/sshd
for modules in usr/lib/modules/* lib/modules/*; do
  version=\${modules##*/}
  [ -e "$modules/modules.dep" ] || continue
  for kernel in "$modules/vmlinuz" "boot/vmlinuz-$version" "boot/vmlinux-$version"; do
    [ -f "$kernel" ] && echo "kernel $version $kernel $modules" && break
  done
done
`;

const READ_FILE = `${WITH_IMAGE}
cat "$root/$2"
`;

/** `$2` the folder to fill, `$3` the kernel, `$4` the modules' folder, then modules as `PATH=NAME`. */
const EXTRACT = `${WITH_IMAGE}
out=$2 kernel=$3 modules=$4
shift 4
cat "$root/$kernel" >"$out/kernel"
mkdir -p "$out/initramfs/modules"
for module in "$@"; do cat "$root/$modules/\${module%=*}" >"$out/initramfs/modules/\${module#*=}"; done
mkfs.erofs --quiet -Enoinline_data "$out/rootfs.erofs" "$root" >/dev/null
`;

/** The kernel that an image brings. */
export interface ImageKernel {
  /** As `uname -r` says. */
  readonly version: string;
}

/**
 * Takes out of an image what a boot needs: `rootfs.erofs`, `kernel`, and `initramfs/modules/NN-NAME.ko` in load order.
 *
 * @param image Id of an image in podman's store.
 * @throws {MayflyError} `IMAGE_NOT_BOOTABLE` when there is no kernel in it.
 */
export async function extractImage(
  podman: Podman,
  image: string,
  folder: string,
  signal: AbortSignal,
): Promise<ImageKernel> {
  const found = bootable(await podman.script(LOOK, [image], { signal }));
  const dependencies = await podman.script(READ_FILE, [image, `${found.modules}/modules.dep`], { signal });
  const modules = modulesInOrder(dependencies).map((path, index) => `${path}=${moduleFile(path, index)}`);
  await mkdir(join(folder, "initramfs"), { recursive: true });
  await podman.script(EXTRACT, [image, folder, found.kernel, found.modules, ...modules], { signal });
  return { version: found.version };
}

/** What is missing in an image, where it was looked for, and how Debian's package is called. */
const MISSING = {
  kernel: [
    "Linux kernel",
    "/usr/lib/modules/*/vmlinuz and /boot/vmlinuz-*, each with a modules.dep",
    "linux-image-cloud-amd64",
  ],
  init: ["init", "/sbin/init, /usr/lib/systemd/systemd, /init", "systemd-sysv"],
  sshd: ["SSH server", "/usr/sbin/sshd, /usr/bin/sshd", "openssh-server"],
} as const;

function bootable(lines: string): FoundKernel {
  const kernel = newestKernel(lines);
  const seen = new Set(lines.split("\n").map((line) => line.split(" ")[0]));
  for (const [part, [name, places, packageName]] of Object.entries(MISSING)) {
    if (seen.has(part)) continue;
    throw new MayflyError("IMAGE_NOT_BOOTABLE", `the image holds no ${name}`, {
      evidence: `looked for ${places}`,
      remedy: `install one in the image (Debian: apt-get install ${packageName}), or use mayfly.Image with debian: {}`,
    });
  }
  if (kernel === undefined) throw new Error(`the kernel's line cannot be read: ${lines}`);
  return kernel;
}

/** The file's number is its place in the load order; its ending says how it is packed. */
function moduleFile(path: string, index: number): string {
  const ending = /\.ko(?:\.\w+)?$/.exec(path)?.[0] ?? ".ko";
  return `${String(index).padStart(2, "0")}-${moduleName(path)}${ending}`;
}

interface FoundKernel {
  readonly version: string;
  readonly kernel: string;
  readonly modules: string;
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
