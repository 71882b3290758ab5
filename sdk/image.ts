import * as pulumi from "@pulumi/pulumi";
import type { ImageInputs } from "../provider/schema/image";
import { common, pending, type Inputs } from "./inputs";
import { trampoline } from "./trampoline";

const provider = trampoline("Image");

/** Arguments of {@link Image}: exactly one source. */
export type ImageArgs = Inputs<ImageInputs>;

/**
 * An image in podman's store, made ready for boot. Stays there when the resource goes: it is a cache by content.
 *
 * @example
 * const image = new mayfly.Image("debian", { debian: { packages: ["nginx"] } });
 */
export class Image extends pulumi.dynamic.Resource {
  /** Name in podman's store; what `VM.image` takes. */
  declare readonly imageName: pulumi.Output<string>;
  /** Digest of its manifest, `sha256:…`. */
  declare readonly digest: pulumi.Output<string>;
  /** Size in podman's store, in MiB. */
  declare readonly sizeMiB: pulumi.Output<number>;
  /** Version of its kernel, as `uname -r` says. */
  declare readonly kernel: pulumi.Output<string>;

  /** @param args Where the image comes from. */
  constructor(name: string, args: ImageArgs, options?: pulumi.CustomResourceOptions) {
    const outputs = pending("imageName", "digest", "sizeMiB", "kernel");
    super(provider, name, { ...outputs, ...args, ...common(name, options) }, options, "mayfly", "Image");
  }
}
