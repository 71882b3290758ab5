import * as pulumi from "@pulumi/pulumi";
import type { ImageInputs } from "../provider/schema/image";
import { common, given, isOfKind, pending, type Inputs } from "./inputs";
import { DynamicResource } from "./dynamic-resource";

/** Arguments of {@link Image}: exactly one source. */
export type ImageArgs = Omit<Inputs<ImageInputs>, "sourceHash">;

/**
 * An image in podman's store, made ready for boot. `up` pulls or builds it, which takes a minute or more once; from then
 * on it is there. It stays when the resource goes, as a cache; `mayfly image rm` removes it.
 *
 * One of Debian's packages (`debian`) is made once, and then used as it is: newer packages and security updates come with
 * the next one that is made, after `mayfly image rm`.
 *
 * Fails with `IMAGE_NOT_FOUND`, `IMAGE_NOT_BOOTABLE`, `BUILD_FAILED`, `DISK_FULL`.
 *
 * @example
 * const built = new mayfly.Image("app", { containerfile: { path: "app/Containerfile", buildArgs: { VERSION: "2" } } });
 * const image = new mayfly.Image("debian", { debian: { packages: ["nginx"] } });
 * const vm = new mayfly.VM("web", { image });
 *
 * @example
 * const image = new mayfly.Image("arm", { debian: {}, architecture: "arm64" });
 * const vm = new mayfly.VM("arm", { image }); // emulated where this host's processor is another one
 *
 * @example
 * const image = new mayfly.Image("appliance", { disk: "appliance.qcow2" });
 * const vm = new mayfly.VM("appliance", { image, memory: "2GiB" });
 */
export class Image extends DynamicResource {
  /**
   * Name in podman's store, such as `localhost/mayfly/debian:…`, or for a `disk` in Mayfly's own; what `VM.image` takes.
   * Another content of a Containerfile, a `rootfs`, a `disk`, or a `reference` with `pullPolicy: "always"` or an `architecture` has another name.
   */
  declare readonly imageName: pulumi.Output<string>;
  /** Digest of its manifest, or of a disk's file, `sha256:…`. Two images with the same digest are the same. */
  declare readonly digest: pulumi.Output<string>;
  /** Size in podman's store, or of a disk's file, in MiB. */
  declare readonly sizeMiB: pulumi.Output<number>;
  /** Version of its kernel, as `uname -r` says; empty for a disk, which is not looked into so far. */
  declare readonly kernel: pulumi.Output<string>;

  /**
   * Names the content of a Containerfile with its context, of a `rootfs`, of a `disk`, or, with `pullPolicy: "always"`, of what the
   * registry has. Known at preview.
   */
  declare readonly sourceHash: pulumi.Output<string | undefined>;

  /** @param args Where the image comes from. */
  constructor(name: string, args: ImageArgs, options?: pulumi.CustomResourceOptions) {
    const outputs = pending("imageName", "digest", "sizeMiB", "kernel", "sourceHash");
    super("Image", name, { ...outputs, ...given(args), ...common(name, options) }, options);
  }

  /** Whether an object is an Image, also one of another copy of this package. */
  static override isInstance(object: unknown): object is Image {
    return isOfKind(object, "Image");
  }
}

/** Whether an image is that of a disk; known at preview, unlike its name. */
export function isOfDisk(image: Image): pulumi.Output<boolean> {
  const { disk } = image as { readonly disk?: pulumi.Output<string | undefined> }; // each input is a property as well
  return pulumi.output(disk).apply((path) => path !== undefined);
}
