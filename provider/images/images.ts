import { hostArchitecture } from "../architectures";
import type { MayflyError } from "../errors";
import type { Paths } from "../host/paths";
import type { Podman } from "../host/podman";
import type { Say } from "../host/progress";
import type { ArchitectureName } from "../schema/architecture";
import type { ImageSpec } from "../schema/image";
import { digestArchive } from "./archive-digest";
import { missingFor } from "./architecture";
import { bootArtefacts, type BootArtefacts } from "./artefacts";
import { makeRoom, removeArtefacts, unusedArtefacts, type ImageArtefacts } from "./cache";
import { buildContainerfile, digestContainerfile, wrongPlaces, type ContainerfileSpec } from "./containerfile";
import { diskGone, examineDisk, findDisk, importDisk, type BootDisk, type DiskSource, type StoredDisk } from "./disk";
import { debianSpec, makeDebianImage, type AskedDebian } from "./debian";
import { killedBuilds, removeKilledBuild } from "./build-folder";
import { askRegistry, type OfferedImage } from "./registry";
import { listImages, removeImage, type ListedImage } from "./inventory";
import { findReaders, type Readers } from "./readers";
import { importRootfs } from "./rootfs";
import { findImage, pinned, resolveImage, type Pull, type StoredImage } from "./store";

/** The room of images: from what the user names to what a machine boots. */
export class Images {
  /**
   * @param paths Where boot artefacts are kept.
   * @param inUse Versions of the artefacts that machines and templates were made from: not to be thrown out.
   */
  constructor(
    private readonly paths: Paths,
    private readonly podman: Podman,
    private readonly inUse: () => Promise<readonly string[]>,
  ) {}

  /** Makes a Debian image unless it is there; returns its name. Throws `TOOL_MISSING`. */
  async debian(asked: AskedDebian, signal: AbortSignal, say: Say): Promise<string> {
    return makeDebianImage(this.paths, this.podman, debianSpec(asked), signal, say);
  }

  /**
   * The errors for programs that an image for an architecture needs, and that are not installed on this host.
   *
   * @param isMade Whether it is made here, of packages that are for it.
   */
  missingFor(architecture: ArchitectureName, isMade: boolean): MayflyError[] {
    return missingFor(architecture, isMade);
  }

  /** Builds a Containerfile unless that was done; returns the image's name. Throws `BUILD_FAILED`. */
  async containerfile(spec: ContainerfileSpec, signal: AbortSignal, say: Say): Promise<string> {
    return buildContainerfile(this.paths, this.podman, spec, signal, say);
  }

  /** What is wrong with the files that a Containerfile's fields name, by field. */
  async wrongPlaces(spec: ContainerfileSpec): Promise<{ property: string; reason: string }[]> {
    return wrongPlaces(spec);
  }

  /** Makes an image of a root filesystem's tar unless that was done; returns its name. Throws `IMAGE_NOT_BOOTABLE`. */
  async rootfs(file: string, signal: AbortSignal, architecture?: ArchitectureName): Promise<string> {
    return importRootfs(this.paths, this.podman, file, signal, architecture);
  }

  /** Has a copy of a disk image in the cache; returns its name. Throws `IMAGE_NOT_BOOTABLE`, `TOOL_MISSING`. */
  async disk(source: DiskSource, signal: AbortSignal): Promise<string> {
    return importDisk({ paths: this.paths, makeRoom: this.makeRoom }, source, signal);
  }

  /** Looks whether a machine could boot from a disk image; changes nothing. Throws as {@link disk}. */
  async examineDisk(source: DiskSource, signal: AbortSignal): Promise<void> {
    await examineDisk(this.paths, source, signal);
  }

  /**
   * Names the content that a source has now, where that can change behind a name that stays. Changes nothing. Throws
   * `IMAGE_NOT_FOUND` when the registry is to be asked and does not answer.
   */
  async digestOf(source: Partial<ImageSpec>, signal: AbortSignal): Promise<string | undefined> {
    const { containerfile, rootfs, disk, reference, pullPolicy, architecture } = source;
    if (containerfile !== undefined) return digestContainerfile(this.paths, { ...containerfile, architecture });
    const archive = rootfs ?? disk;
    if (archive !== undefined) return digestArchive(this.paths, archive);
    if (reference === undefined || pullPolicy !== "always") return undefined;
    return (await this.offered(reference, architecture, signal)).id;
  }

  /** Images that Mayfly has made, and those that it has boot artefacts of. */
  async list(signal: AbortSignal): Promise<ListedImage[]> {
    return listImages(this.paths, this.podman, signal);
  }

  /** Gives an image a further name. */
  async tag(name: string, further: string, signal: AbortSignal): Promise<void> {
    await this.podman.run(["tag", name, further], { signal });
  }

  /** Removes an image and its boot artefacts. See {@link removeImage}. */
  async remove(image: StoredImage | StoredDisk, signal: AbortSignal): Promise<void> {
    if ("disk" in image) await removeArtefacts(this.paths, image.id);
    else await removeImage(this.paths, this.podman, image, signal);
  }

  /** Where podman keeps images and containers. */
  async storeFolder(signal: AbortSignal): Promise<string> {
    return this.podman.run(["info", "--format", "{{.Store.GraphRoot}}"], { signal });
  }

  /** The name that means this very image for good, whatever its tag will mean. */
  pinned(name: string, image: Pick<StoredImage, "digest">): string {
    return pinned(name, image);
  }

  /** What the registry has by a name, without pulling it. Throws `IMAGE_NOT_FOUND`. */
  async offered(name: string, architecture: ArchitectureName | undefined, signal: AbortSignal): Promise<OfferedImage> {
    return askRegistry(this.podman, name, architecture ?? hostArchitecture(), signal);
  }

  /** Looks an image up in podman's store, or where disk images are; `undefined` when it is not there. */
  async find(name: string, signal: AbortSignal): Promise<StoredImage | StoredDisk | undefined> {
    const disk = await findDisk(this.paths, name);
    return disk === "gone" ? undefined : (disk ?? findImage(this.podman, name, signal));
  }

  /** Finds an image, or pulls it into podman's store. Throws `IMAGE_NOT_FOUND`. */
  async resolve(name: string, signal: AbortSignal, say: Say, pull: Pull = {}): Promise<StoredImage | StoredDisk> {
    const disk = await findDisk(this.paths, name);
    if (disk === "gone") throw diskGone(name);
    return disk ?? resolveImage(this.podman, name, signal, say, this.paths.locks, pull);
  }

  /** Looks which programs for a guest's first boot an image has. */
  async readers({ id }: Pick<StoredImage, "id">, signal: AbortSignal): Promise<Readers> {
    return findReaders(this.podman, id, signal);
  }

  /**
   * What a machine boots from, made once per image: its disk, or what is taken out of an OCI image. One without a kernel or
   * an SSH server gets those of the default Debian image, which is made if need be. Throws `IMAGE_NOT_BOOTABLE`.
   */
  async prepare(image: StoredImage, signal: AbortSignal, say: Say): Promise<BootArtefacts>;
  async prepare(image: StoredImage | StoredDisk, signal: AbortSignal, say: Say): Promise<BootArtefacts | BootDisk>;
  async prepare(image: StoredImage | StoredDisk, signal: AbortSignal, say: Say): Promise<BootArtefacts | BootDisk> {
    if ("disk" in image) return image.disk;
    const lender = async (architecture: ArchitectureName) => {
      const name = await this.debian({ architecture }, signal, (text) => {
        say(`the image lacks what a machine boots with, so Debian's is made ready: ${text}`);
      });
      return resolveImage(this.podman, name, signal, say, this.paths.locks);
    };
    return bootArtefacts({ paths: this.paths, podman: this.podman, lender, makeRoom: this.makeRoom }, image, signal);
  }

  /**
   * Boot artefacts that may go: of images that were not asked for in the last ten minutes, and that nobody uses.
   *
   * @param inUse Versions of artefacts that are used.
   */
  async unused(inUse: readonly string[]): Promise<ImageArtefacts[]> {
    return unusedArtefacts(this.paths, inUse, PRUNE_GRACE_MS);
  }

  /** Removes the boot artefacts of an image; they are made anew when they are asked for. */
  async removeArtefacts(id: string): Promise<void> {
    await removeArtefacts(this.paths, id);
  }

  /** Builds that were killed together with us, by name: what they have put down is still there. */
  async killedBuilds(): Promise<string[]> {
    return killedBuilds(this.paths);
  }

  /** Removes what such a build has put down. */
  async removeKilledBuild(name: string): Promise<void> {
    await removeKilledBuild(this.paths, this.podman, name);
  }

  private readonly makeRoom = async (): Promise<void> => makeRoom(this.paths, await this.inUse());
}

const PRUNE_GRACE_MS = 600_000; // from the look at an image to the machine's record, with some others before it
