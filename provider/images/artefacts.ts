import { createHash } from "node:crypto";
import { cp, link, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { hostArchitecture, type Architecture } from "../architectures";
import type { Podman } from "../host/podman";
import type { ArchitectureName } from "../schema/architecture";
import { checkArchitecture } from "./architecture";
import { containerFiles } from "./container-config";
import { extractImage, type ExtractedImage } from "./extract";
import { guestFiles, hostBusybox, packInitramfs } from "./initramfs";
import { LENT_PARTS, makeLentParts } from "./lent-parts";
import { once, type Workplace } from "./once";
import { pvhKernel } from "./pvh-kernel";
import type { StoredImage } from "./store";

/** What a machine boots from; read-only, shared by all machines of an image. */
export interface BootArtefacts {
  /** The folder that holds the files below, and nothing that may change. */
  readonly folder: string;
  /** The image's root filesystem, erofs. */
  readonly rootfs: string;
  readonly kernel: string;
  /** The same kernel as QEMU can share it among machines, see `pvh-kernel.ts`; absent where it can't. */
  readonly pvhKernel?: string | undefined;
  readonly initramfs: string;
  /** A disk with what the image lacks: kernel modules and an SSH server. Absent for an image that has both. */
  readonly parts: string | undefined;
  /** Changes with what is in these files: the image, what is lent to it, and our own part of the initramfs. */
  readonly version: string;
  /** As `uname -r` says. */
  readonly kernelVersion: string;
  /** Why no template can be made of its machines, where that is known without a boot. */
  readonly unfit: string | undefined;
  /** What its programs are for. Absent in what former versions kept: amd64. */
  readonly architecture?: ArchitectureName;
}

/** Where artefacts are made. */
export interface ArtefactsWorkshop extends Workplace {
  readonly podman: Podman;
  /** Finds or makes the image that lends those of its architecture a kernel and an SSH server that have none. */
  readonly lender: (architecture: ArchitectureName) => Promise<StoredImage>;
}

/** An image whose parts lie in a folder. */
interface Extracted extends ExtractedImage {
  readonly id: string;
  readonly folder: string;
}

/**
 * Makes the boot artefacts of an image, or finds those made before. One process makes them, others wait for it. They
 * appear by a rename, so a half-made set is never seen.
 *
 * @throws {MayflyError} `IMAGE_NOT_BOOTABLE`, `TOOL_MISSING`.
 */
export async function bootArtefacts(
  workshop: ArtefactsWorkshop,
  image: StoredImage,
  signal: AbortSignal,
): Promise<BootArtefacts> {
  const architecture = checkArchitecture(image.architecture);
  const own = await extracted(workshop, image.id, signal);
  const lender = isWhole(own, architecture)
    ? undefined
    : await extracted(workshop, (await workshop.lender(architecture.name)).id, signal);
  const kernelFrom = own.version !== undefined || lender === undefined ? own : lender;
  const folder =
    lender === undefined ? own.folder : await completed(workshop, own, lender, kernelFrom, architecture, signal);
  const extra = containerFiles(image.container);
  const busybox = isNative(architecture) ? hostBusybox() : join((lender ?? own).folder, "busybox");
  const guest = guestFiles(architecture, busybox);
  const name = `initramfs-${digest(guest.version, ...extra.values())}.cpio`;
  const initramfs = join(folder, name);
  await once(workshop, initramfs, signal, async (draft) => {
    await cp(join(kernelFrom.folder, "initramfs", "modules"), join(draft, "modules"), { recursive: true });
    await packInitramfs(draft, `${draft}.made`, { ...guest, extra }, signal);
    return `${draft}.made`;
  });
  return {
    folder,
    rootfs: join(folder, "rootfs.erofs"),
    kernel: join(folder, "kernel"),
    pvhKernel: await pvhKernelIn(folder, kernelFrom.folder, workshop, signal),
    initramfs,
    parts: lender && join(folder, LENT_PARTS),
    version: [image.id, ...(lender ? [lender.id.slice(0, 12), LENT_PARTS] : []), guest.version].join("-"),
    kernelVersion: kernelFrom.version ?? "",
    unfit: own.unfit,
    architecture: architecture.name,
  };
}

/** Whether a machine can be made of an image alone. */
function isWhole({ version, lacksSshd, hasBusybox }: Extracted, architecture: Architecture): boolean {
  return version !== undefined && lacksSshd !== true && (isNative(architecture) || hasBusybox === true);
}

/** Whether programs of this host run in its guests. */
function isNative({ name }: Architecture): boolean {
  return name === hostArchitecture();
}

function digest(...texts: readonly string[]): string {
  const hash = createHash("sha256");
  for (const text of texts) hash.update(text).update("\0");
  return hash.digest("hex").slice(0, 12);
}

/** Takes an image apart, once. */
async function extracted(workshop: ArtefactsWorkshop, id: string, signal: AbortSignal): Promise<Extracted> {
  const folder = join(workshop.paths.artefacts, id);
  await once(workshop, folder, signal, async (draft) => {
    const image = await extractImage(workshop.podman, id, draft, signal);
    await writeFile(join(draft, "artefacts.json"), JSON.stringify(image));
    return draft;
  });
  const image = JSON.parse(await readFile(join(folder, "artefacts.json"), "utf8")) as ExtractedImage;
  return { ...image, id, folder };
}

/** A folder with what an image has and what is lent to it. Names of the same files: it takes no room of its own. */
async function completed(
  workshop: ArtefactsWorkshop,
  own: Extracted,
  lender: Extracted,
  kernelFrom: Extracted,
  architecture: Architecture,
  signal: AbortSignal,
): Promise<string> {
  const folder = join(workshop.paths.artefacts, `${own.id}-${lender.id.slice(0, 12)}`);
  const parts = join(lender.folder, LENT_PARTS);
  await once(workshop, parts, signal, async (draft) => {
    await makeLentParts(workshop.podman, lender.id, architecture, join(draft, "parts"), `${draft}.made`, signal);
    return `${draft}.made`;
  });
  await once(workshop, folder, signal, async (draft) => {
    await link(join(own.folder, "rootfs.erofs"), join(draft, "rootfs.erofs"));
    await link(join(kernelFrom.folder, "kernel"), join(draft, "kernel"));
    return draft;
  });
  // By itself: a folder that another version of Mayfly has made has other parts.
  await linked(workshop, parts, join(folder, LENT_PARTS), signal);
  return folder;
}

/** Gives a file a further name, unless that is there. */
async function linked(workshop: ArtefactsWorkshop, file: string, name: string, signal: AbortSignal): Promise<void> {
  await once(workshop, name, signal, async (draft) => {
    await link(file, `${draft}.made`);
    return `${draft}.made`;
  });
}

/** Empty where the kernel is none that can be shared: then nobody looks again. */
const PVH_KERNEL = "kernel-pvh";

/**
 * The kernel that machines share, made once, in a folder; `undefined` where there is none.
 *
 * @param from The folder of the image that the kernel is of.
 */
async function pvhKernelIn(
  folder: string,
  from: string,
  workshop: ArtefactsWorkshop,
  signal: AbortSignal,
): Promise<string | undefined> {
  const [made, file] = [join(from, PVH_KERNEL), join(folder, PVH_KERNEL)];
  await once(workshop, made, signal, async (draft) => {
    await writeFile(`${draft}.made`, (await pvhKernel(await readFile(join(from, "kernel")))) ?? "");
    return `${draft}.made`;
  });
  if (file !== made) await linked(workshop, made, file, signal);
  return (await stat(file)).size > 0 ? file : undefined;
}
