import type { Paths } from "../host/paths";
import type { Podman } from "../host/podman";
import type { Say } from "../host/progress";
import { bootArtefacts, type BootArtefacts } from "./artefacts";
import { DEFAULT_DEBIAN, makeDebianImage, type DebianSpec } from "./debian";
import { findImage, resolveImage, type StoredImage } from "./store";

/** The room of images: from what the user names to what a machine boots. */
export class Images {
  /** @param paths Where boot artefacts are kept. */
  constructor(
    private readonly paths: Paths,
    private readonly podman: Podman,
  ) {}

  /** Makes a Debian image unless it is there, without a spec the default one; returns its name. */
  async debian(spec: DebianSpec | undefined, signal: AbortSignal, say: Say): Promise<string> {
    return makeDebianImage(this.paths, this.podman, spec ?? DEFAULT_DEBIAN, signal, say);
  }

  /** Looks an image up in podman's store; `undefined` when it is not there. */
  async find(name: string, signal: AbortSignal): Promise<StoredImage | undefined> {
    return findImage(this.podman, name, signal);
  }

  /** Finds an image in podman's store, or pulls it. Throws `IMAGE_NOT_FOUND`. */
  async resolve(name: string, signal: AbortSignal, say: Say): Promise<StoredImage> {
    return resolveImage(this.podman, name, signal, say);
  }

  /**
   * What a machine boots from, made once per image. An image without a kernel or an SSH server gets those of the default
   * Debian image, which is made if need be. Throws `IMAGE_NOT_BOOTABLE`.
   */
  async prepare(image: StoredImage, signal: AbortSignal, say: Say): Promise<BootArtefacts> {
    const lender = async () => {
      const name = await this.debian(undefined, signal, (text) => {
        say(`the image lacks a kernel or an SSH server, so Debian's are made ready: ${text}`);
      });
      return this.resolve(name, signal, say);
    };
    return bootArtefacts({ paths: this.paths, podman: this.podman, lender }, image, signal);
  }
}
