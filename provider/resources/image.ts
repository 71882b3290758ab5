import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { imageSchema, type ImageSpec } from "../schema/image";
import type { Context } from "../context";
import type { BootArtefacts } from "../images/artefacts";
import type { DiskSource, StoredDisk } from "../images/disk";
import type { StoredImage } from "../images/store";
import { MayflyError } from "../errors";
import type { InputFailure, ResourceHandler } from "./resource";

/** What is known of an image. */
interface ImageState {
  /** Name in podman's store; what `VM.image` takes. */
  readonly imageName: string;
  /** `sha256:…` of its manifest. */
  readonly digest: string;
  /** Size in podman's store. */
  readonly sizeMiB: number;
  /** Version of its kernel. */
  readonly kernel: string;
}

const BOOT_SECONDS = 300; // the default of a VM's bootTimeout

/** An image is kept when its resource goes: it is a cache by content, which others may use; `podman rmi` removes it. */
export const image: ResourceHandler<typeof imageSchema, ImageState> = {
  schema: imageSchema,
  replaceOnChanges: ["reference", "debian", "architecture", "firmware", "sourceHash"],
  // A slow mirror, or a big image over a slow line; and to look at a big disk, or a big context, is to read all of it.
  deadlines: { check: 1_800, create: 1_800, update: 1_800 },

  async check({ containerfile, rootfs, disk, firmware, debian, architecture }, { openRooms, isNew, signal }) {
    if (architecture !== undefined && isNew) {
      const missing = (await openRooms()).images.missingFor(architecture, debian !== undefined);
      if (missing.length > 0) return missing.map(({ message }) => ({ property: "architecture", reason: message }));
    }
    if (rootfs !== undefined)
      return checkFile("rootfs", rootfs, "a tar", ": pack a folder with `tar -C FOLDER -cf FILE .`");
    if (disk !== undefined) return checkDisk({ disk, firmware }, (await openRooms()).images, signal);
    if (containerfile === undefined) return [];
    const { images } = await openRooms();
    const failures = await images.wrongPlaces(containerfile);
    return failures.map(({ property, reason }) => ({ property: `containerfile.${property}`, reason }));
  },

  async derive(source, { openRooms, signal }) {
    const { containerfile, rootfs, disk, pullPolicy } = source;
    if ((containerfile ?? rootfs ?? disk) === undefined && pullPolicy !== "always") return {};
    const sourceHash = await (await openRooms()).images.digestOf(source, signal);
    return sourceHash === undefined ? {} : { sourceHash };
  },

  async foresee(_state, { reference, pullPolicy, architecture }, { images, signal }) {
    if (reference === undefined || pullPolicy === "never") return undefined;
    const stored = await images.find(reference, signal);
    if (stored !== undefined && pullPolicy === "missing") return undefined;
    const { id, bytes } = await images.offered(reference, architecture, signal);
    return id === stored?.id ? undefined : `pulls ${reference}: ${String(inMiB(bytes))} MiB, less what is here of it`;
  },

  create: async (_id, inputs, context) => make(inputs, context),
  read: async (_id, state, context) =>
    (await context.images.find(state.imageName, context.signal)) ? state : undefined,
  async needsUpdate(_id, state, _inputs, { images, signal, say }) {
    if (await images.find(state.imageName, signal)) return false;
    say("it is in podman's store no more, and will be made again");
    return true;
  },
  update: async (_id, _state, inputs, context) => make(inputs, context),
  delete: async () => undefined,
};

async function make(spec: ImageSpec, context: Context): Promise<ImageState> {
  const { images, signal, step, say } = context;
  const [name, stored] = await store(spec, context);
  const boot = await step("Preparing the image for boot", async () => images.prepare(stored, signal, say));
  if (!("firmware" in boot)) for (const shape of spec.warm) await makeTemplate(shape, boot, context);
  return {
    imageName: name,
    digest: stored.digest,
    sizeMiB: inMiB(stored.bytes),
    kernel: "firmware" in boot ? "" : boot.kernelVersion,
  };
}

/** Has the image in podman's store; returns the name that means this content of the source. */
async function store(spec: ImageSpec, context: Context): Promise<[string, StoredImage | StoredDisk]> {
  const { reference, pullPolicy: policy, architecture } = spec;
  const { images, signal, say } = context;
  if (reference !== undefined) {
    const stored = await images.resolve(reference, signal, say, { policy, architecture });
    const mayMove = policy === "always" || architecture !== undefined; // the name is that of the form that was pulled last
    return [mayMove ? images.pinned(reference, stored) : reference, stored];
  }
  const name = await made(spec, context);
  return [name, await images.resolve(name, signal, say)];
}

/** Makes the image of a source that is no reference unless it is there; returns its name. */
async function made(spec: ImageSpec, { images, signal, step, say }: Context): Promise<string> {
  const { debian, containerfile, rootfs, disk, firmware, architecture } = spec;
  if (containerfile !== undefined)
    return step("Building the Containerfile", async () =>
      images.containerfile({ ...containerfile, architecture }, signal, say),
    );
  if (rootfs !== undefined) return step(`Importing ${rootfs}`, async () => images.rootfs(rootfs, signal, architecture));
  if (disk !== undefined) return step(`Copying ${disk}`, async () => images.disk({ disk, firmware }, signal));
  return step("Making a Debian image from packages (about a minute, once)", async () =>
    images.debian({ ...debian, architecture }, signal, say),
  );
}

/** Has a template ready for VMs of a size. */
async function makeTemplate(
  { cpus, memory, disk, kernelArgs }: ImageSpec["warm"][number],
  boot: BootArtefacts,
  context: Context,
): Promise<void> {
  const { machines, owner } = context;
  const accelerator = await machines.chooseAccelerator("auto", boot, context);
  const size = { cpus, memoryMiB: memory, scratchMiB: disk, kernelArgs, accelerator };
  await machines.ensureTemplate({ owner, size, boot, bootTimeout: BOOT_SECONDS }, context);
}

async function checkDisk(
  source: DiskSource,
  images: Context["images"],
  signal: AbortSignal,
): Promise<readonly InputFailure[]> {
  const failures = await checkFile("disk", source.disk, "a qcow2 or raw disk", "");
  if (failures.length > 0) return failures;
  try {
    await images.examineDisk(source, signal);
    return [];
  } catch (error) {
    if (error instanceof MayflyError) return [{ property: "disk", reason: error.message }];
    throw error;
  }
}

async function checkFile(property: string, file: string, what: string, instead: string): Promise<InputFailure[]> {
  const path = resolve(file);
  const seen = await stat(path).catch(() => undefined);
  if (seen?.isFile() === true) return [];
  const found = seen === undefined ? "does not exist" : `is no file${instead}`;
  return [{ property, reason: `must be ${what} on this host; ${path} ${found}` }];
}

function inMiB(bytes: number): number {
  return Math.round(bytes / 1_048_576);
}
