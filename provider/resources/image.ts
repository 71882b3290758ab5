import { imageSchema, type ImageSpec } from "../schema/image";
import type { Context } from "../context";
import type { BootArtefacts } from "../images/artefacts";
import type { ResourceHandler } from "./resource";

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
  replaceOnChanges: ["reference", "debian"],
  deadlines: { create: 1_800 }, // a slow mirror, or a big image over a slow line
  create: async (_id, inputs, context) => make(inputs, context),
  read: async (_id, state, context) =>
    (await context.images.find(state.imageName, context.signal)) ? state : undefined,
  lost: async (_id, state, context) =>
    (await context.images.find(state.imageName, context.signal)) ? undefined : "digest",
  update: async (_id, _state, inputs, context) => make(inputs, context),
  delete: async () => undefined,
};

async function make({ reference, debian, warm }: ImageSpec, context: Context): Promise<ImageState> {
  const { images, signal, step, say } = context;
  const name =
    reference ??
    (await step("Making a Debian image from packages (about a minute, once)", async () =>
      images.debian(debian, signal, say),
    ));
  const stored = await images.resolve(name, signal, say);
  const boot = await step("Preparing the image for boot", async () => images.prepare(stored, signal, say));
  for (const shape of warm) await makeTemplate(shape, boot, context);
  return {
    imageName: name,
    digest: stored.digest,
    sizeMiB: Math.round(stored.bytes / 1_048_576),
    kernel: boot.kernelVersion,
  };
}

/** Has a template ready for VMs of a size. */
async function makeTemplate(
  { cpus, memory, disk, kernelArgs }: ImageSpec["warm"][number],
  boot: BootArtefacts,
  context: Context,
): Promise<void> {
  const { machines, owner, signal } = context;
  const accelerator = await machines.chooseAccelerator("auto", signal);
  const size = { cpus, memoryMiB: memory, scratchMiB: disk, kernelArgs, accelerator };
  await machines.ensureTemplate({ owner, size, boot, bootTimeout: BOOT_SECONDS }, context);
}
