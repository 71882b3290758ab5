import { readdir } from "node:fs/promises";
import type { Paths } from "../host/paths";
import type { Podman } from "../host/podman";
import { bytesOf, removeArtefacts, unitsIn } from "./cache";
import type { StoredImage } from "./store";

/** An image that VMs can start from, or have. */
export interface ListedImage {
  /** Without `sha256:`. */
  readonly id: string;
  /** All that it is called by; empty for one that has lost its names. */
  readonly names: readonly string[];
  /** How it came here: made by Mayfly from Debian's packages, a Containerfile or a root filesystem's tar, or otherwise. */
  readonly made: "debian" | "containerfile" | "rootfs" | "elsewhere";
  /** What it takes in podman's store, layers shared with other images included. */
  readonly bytes: number;
  /** What its boot artefacts take; 0 where it was never booted. Those of one that lends to others are theirs, too. */
  readonly bootBytes: number;
  /** Seconds since 1970. */
  readonly createdAt: number;
}

const LABEL = "mayfly.image";

/** Images that Mayfly has made, and those that it has boot artefacts of, the newest first. */
export async function listImages(paths: Paths, podman: Podman, signal: AbortSignal): Promise<ListedImage[]> {
  const units = await unitsIn(paths.artefacts, await readdir(paths.artefacts));
  const stored = JSON.parse(await podman.run(["images", "--format", "json"], { signal })) as PodmanImage[];
  const images = new Map(stored.map((image) => [image.Id, image])); // podman lists one once for each of its names
  const listed = [...images.values()].map(({ Id: id, Names, Labels, Size: bytes, Created: createdAt }): ListedImage => {
    const label = Labels?.[LABEL];
    const made = label === "debian" || label === "containerfile" || label === "rootfs" ? label : "elsewhere";
    const bootBytes = bytesOf(units.filter((unit) => unit.id === id));
    return { id, names: Names ?? [], made, bytes, bootBytes, createdAt };
  });
  return listed
    .filter(({ made, bootBytes }) => made !== "elsewhere" || bootBytes > 0)
    .sort((one, other) => other.createdAt - one.createdAt);
}

/** Of `podman images --format json`; see podman-images(1). */
interface PodmanImage {
  readonly Id: string;
  readonly Names?: readonly string[] | null;
  readonly Labels?: Readonly<Record<string, string>> | null;
  readonly Size: number;
  readonly Created: number;
}

/** Removes an image, all its names, and its boot artefacts. Who has it must have been asked before. Throws podman's words. */
export async function removeImage(
  paths: Paths,
  podman: Podman,
  { id }: Pick<StoredImage, "id">,
  signal: AbortSignal,
): Promise<void> {
  const [image] = (await listImages(paths, podman, signal)).filter((listed) => listed.id === id);
  const names = image === undefined || image.names.length === 0 ? [id] : image.names;
  await podman.run(["rmi", ...names], { signal });
  await removeArtefacts(paths, id);
}
