import { mkdir, open, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { MayflyError } from "../errors";
import type { Podman } from "../host/podman";
import { lackingModules, moduleName, modulesInOrder } from "./kernel-modules";
import { look, type FoundKernel } from "./look";
import { WITH_IMAGE } from "./mounted";
import { kernelInside } from "./unified-kernel";
import { isZboot, unpackZboot, ZBOOT_HEAD_BYTES } from "./zboot";

/** Prints nothing for a file that is not there. */
const READ_FILE = `${WITH_IMAGE}
text_of "$2"
`;

/** `$2` the folder to fill, `$3` a busybox that needs no library, or nothing. */
const EXTRACT_ROOT = `${WITH_IMAGE}
long mkfs.erofs --quiet -Enoinline_data "$2/rootfs.erofs" "$root" >/dev/null
[ -z "$3" ] || take "$3" "$2/busybox"
`;

/** `$2` the folder to fill, `$3` the kernel, `$4` the modules' folder, then of each module its path and its name. */
const EXTRACT_KERNEL = `${WITH_IMAGE}
out=$2 kernel=$3 modules=$4
shift 4
take "$kernel" "$out/kernel"
while [ $# -gt 0 ]; do
  take "$modules/$1" "$out/initramfs/modules/$2"
  shift 2
done
`;

/** What is known of an image whose parts are taken out. */
export interface ExtractedImage {
  /** Version of the kernel that it brings, as `uname -r` says; absent: none. */
  readonly version?: string;
  /** It has no SSH server. */
  readonly lacksSshd?: boolean;
  /** It has a busybox that needs no library. */
  readonly hasBusybox?: boolean;
  /** Why no template can be made of its machines, where that is known without a boot. */
  readonly unfit?: string;
}

/**
 * Takes out of an image what a boot needs: `rootfs.erofs`, `busybox` if Debian's that needs no library is in it, and if
 * there is a kernel in it `kernel`, and `initramfs/modules/NN-NAME.ko` in load order.
 *
 * @param image Id of an image in podman's store.
 * @throws {MayflyError} `IMAGE_NOT_BOOTABLE` when there is nothing in it, or its kernel is not for machines of ours.
 */
export async function extractImage(
  podman: Podman,
  image: string,
  folder: string,
  signal: AbortSignal,
): Promise<ExtractedImage> {
  const { kernel, init, hasSshd, busybox } = await look(podman, image, signal);
  if (kernel !== undefined) await extractKernel(podman, image, kernel, folder, signal);
  await podman.script(EXTRACT_ROOT, [image, folder, busybox ?? ""], { signal });
  return {
    ...(kernel && { version: kernel.version }),
    ...(hasSshd ? {} : { lacksSshd: true }),
    ...(busybox === undefined ? {} : { hasBusybox: true }),
    ...(init === "other" ? { unfit: "its init is neither systemd, sysv-rc, OpenRC nor Mayfly's own" } : {}),
  };
}

async function extractKernel(
  podman: Podman,
  image: string,
  found: FoundKernel,
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  const read = async (name: string) => podman.script(READ_FILE, [image, `${found.modules}/${name}`], { signal });
  const dependencies = await read("modules.dep");
  const lacking = lackingModules(dependencies, await read("modules.builtin"));
  if (lacking.length > 0) throw lacksDrivers(found, lacking);
  const modules = modulesInOrder(dependencies).flatMap((path, index) => [path, moduleFile(path, index)]);
  await mkdir(join(folder, "initramfs", "modules"), { recursive: true });
  await podman.script(EXTRACT_KERNEL, [image, folder, found.kernel, found.modules, ...modules], { signal });
  if (found.kernel.endsWith(".efi")) await unwrap(join(folder, "kernel"), found.kernel);
  await unpack(join(folder, "kernel"), found.kernel);
}

/** Puts the kernel of a unified kernel image in its place. Its initramfs stays out: ours boots the machine. */
async function unwrap(file: string, name: string): Promise<void> {
  const kernel = kernelInside(await readFile(file));
  if (kernel === undefined) {
    throw new MayflyError("IMAGE_NOT_BOOTABLE", `the image's /${name} is no unified kernel image`, {
      evidence: "it has no section .linux",
      remedy: "see how it was made: `ukify inspect FILE` lists what is in it",
    });
  }
  await writeFile(file, kernel);
}

/** Puts a kernel that only EFI firmware can unpack in its place unpacked. */
async function unpack(file: string, name: string): Promise<void> {
  if (!isZboot(await readHead(file, ZBOOT_HEAD_BYTES))) return;
  const kernel = await unpackZboot(await readFile(file));
  if (kernel === undefined) {
    throw new MayflyError(
      "IMAGE_NOT_BOOTABLE",
      `the image's kernel /${name} is packed in a way that Mayfly cannot unpack`,
      {
        evidence: "it is an EFI zboot image, and neither gzip, LZ4 nor zstd has packed it",
        remedy: "leave the kernel out of the image: Debian's is lent to it then",
      },
    );
  }
  await writeFile(file, kernel);
}

async function readHead(path: string, bytes: number): Promise<Buffer> {
  const head = Buffer.alloc(bytes);
  const file = await open(path);
  try {
    await file.read(head, 0, bytes, 0);
  } finally {
    await file.close();
  }
  return head;
}

function lacksDrivers({ version, modules }: FoundKernel, lacking: readonly string[]): MayflyError {
  const names = lacking.join(", ");
  return new MayflyError("IMAGE_NOT_BOOTABLE", `the image's kernel ${version} lacks what a machine needs: ${names}`, {
    evidence: `neither modules.dep nor modules.builtin in /${modules} has it`,
    remedy:
      "install a kernel with virtio, erofs and overlay in the image (Debian: linux-image-cloud-amd64, -arm64), " +
      "or leave the kernel out of it: Debian's is lent to it then",
  });
}

/** The file's number is its place in the load order; its ending says how it is packed. */
function moduleFile(path: string, index: number): string {
  const ending = /\.ko(?:\.\w+)?$/.exec(path)?.[0] ?? ".ko";
  return `${String(index).padStart(2, "0")}-${moduleName(path)}${ending}`;
}
