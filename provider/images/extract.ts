import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { MayflyError } from "../errors";
import type { Podman } from "../host/podman";
import { missingDrivers, moduleName, modulesInOrder } from "./kernel-modules";
import { look, WITH_IMAGE, type FoundKernel } from "./look";

/** `$2` the modules' folder: prints what depends on what, then, behind a line of its own, what is in the kernel itself. */
const READ_MODULES = `${WITH_IMAGE}
cat "$root/$2/modules.dep"
if [ -e "$root/$2/modules.builtin" ]; then echo ${"=".repeat(8)} && cat "$root/$2/modules.builtin"; fi
`;

/** `$2` the folder to fill. */
const EXTRACT_ROOT = `${WITH_IMAGE}
mkfs.erofs --quiet -Enoinline_data "$2/rootfs.erofs" "$root" >/dev/null
`;

/** `$2` the folder to fill, `$3` the kernel, `$4` the modules' folder, then modules as `PATH=NAME`. */
const EXTRACT_KERNEL = `${WITH_IMAGE}
out=$2 kernel=$3 modules=$4
shift 4
cat "$root/$kernel" >"$out/kernel"
for module in "$@"; do cat "$root/$modules/\${module%=*}" >"$out/initramfs/modules/\${module#*=}"; done
`;

/** What is known of an image whose parts are taken out. */
export interface ExtractedImage {
  /** Version of the kernel that it brings, as `uname -r` says; absent: none. */
  readonly version?: string;
  /** It has no SSH server. */
  readonly lacksSshd?: boolean;
  /** Why no template can be made of its machines, where that is known without a boot. */
  readonly unfit?: string;
}

/**
 * Takes out of an image what a boot needs: `rootfs.erofs`, and if there is a kernel in it `kernel`, and
 * `initramfs/modules/NN-NAME.ko` in load order.
 *
 * @param image Id of an image in podman's store.
 * @throws {MayflyError} `IMAGE_NOT_BOOTABLE` when there is nothing in it, or its kernel has no drivers for a machine.
 */
export async function extractImage(
  podman: Podman,
  image: string,
  folder: string,
  signal: AbortSignal,
): Promise<ExtractedImage> {
  const { kernel, init, hasSshd } = await look(podman, image, signal);
  if (kernel !== undefined) await extractKernel(podman, image, kernel, folder, signal);
  await podman.script(EXTRACT_ROOT, [image, folder], { signal });
  return {
    ...(kernel && { version: kernel.version }),
    ...(hasSshd ? {} : { lacksSshd: true }),
    ...(init === "other" ? { unfit: "its init is neither systemd nor Mayfly's own" } : {}),
  };
}

async function extractKernel(
  podman: Podman,
  image: string,
  found: FoundKernel,
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  const listed = await podman.script(READ_MODULES, [image, found.modules], { signal });
  const [dependencies = "", builtin] = listed.split(/^=+$/m);
  if (builtin !== undefined) refuseKernel(found, missingDrivers(dependencies, builtin));
  const modules = modulesInOrder(dependencies).map((path, index) => `${path}=${moduleFile(path, index)}`);
  await mkdir(join(folder, "initramfs", "modules"), { recursive: true });
  await podman.script(EXTRACT_KERNEL, [image, folder, found.kernel, found.modules, ...modules], { signal });
}

function refuseKernel({ version }: FoundKernel, missing: readonly string[]): void {
  if (missing.length === 0) return;
  throw new MayflyError("IMAGE_NOT_BOOTABLE", `the image's kernel ${version} has no driver for a machine's disks`, {
    evidence: `neither its modules nor the kernel itself have: ${missing.join(", ")}`,
    remedy:
      "install one that has (Debian: linux-image-cloud-amd64), or take the kernel out of the image: it is lent Debian's then",
  });
}

/** The file's number is its place in the load order; its ending says how it is packed. */
function moduleFile(path: string, index: number): string {
  const ending = /\.ko(?:\.\w+)?$/.exec(path)?.[0] ?? ".ko";
  return `${String(index).padStart(2, "0")}-${moduleName(path)}${ending}`;
}
