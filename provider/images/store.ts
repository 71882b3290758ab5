import { MayflyError } from "../errors";
import type { Podman } from "../host/podman";
import type { Say } from "../host/progress";
import type { ImageSpec } from "../schema/image";
import { containerOf, type ContainerConfig, type ImageConfig } from "./container-config";

/** An image in podman's store. */
export interface StoredImage {
  /** Hash of the image's configuration: names its content for good. Without `sha256:`. */
  readonly id: string;
  /** Digest of the manifest, as registries name it: `sha256:…`. */
  readonly digest: string;
  /** Bytes in the store, layers shared with other images included. */
  readonly bytes: number;
  /** As Go names it: `amd64`. Empty where the image does not say. */
  readonly architecture: string;
  /** What a container of it would run. */
  readonly container: ContainerConfig;
}

/** Looks an image up; `undefined` when the store has none by that name. */
export async function findImage(podman: Podman, name: string, signal: AbortSignal): Promise<StoredImage | undefined> {
  try {
    const [image] = JSON.parse(await podman.run(["image", "inspect", name], { signal })) as PodmanImage[];
    if (image === undefined) return undefined;
    const { Id, Digest: digest, Size: bytes, Architecture: architecture = "", Config } = image;
    return { id: Id.replace(/^sha256:/, ""), digest, bytes, architecture, container: containerOf(Config) };
  } catch (error) {
    // podman has one exit code for all failures of this command.
    if (error instanceof MayflyError && /no such image|image not known/i.test(error.evidence ?? "")) return undefined;
    throw error;
  }
}

interface PodmanImage {
  readonly Id: string;
  readonly Digest: string;
  readonly Size: number;
  readonly Architecture?: string;
  readonly Config?: ImageConfig | null;
}

/** When an image is pulled. */
export type PullPolicy = ImageSpec["pullPolicy"];

/**
 * Finds an image, or pulls it.
 *
 * @throws {MayflyError} `IMAGE_NOT_FOUND` when it is neither in the store nor to be had.
 */
export async function resolveImage(
  podman: Podman,
  name: string,
  signal: AbortSignal,
  say: Say,
  policy: PullPolicy = "missing",
): Promise<StoredImage> {
  const stored = policy === "always" ? undefined : await findImage(podman, name, signal);
  if (stored !== undefined) return stored;
  if (name.startsWith("localhost/")) throw notFound(name, "podman's store has no image of that name");
  if (policy === "never") throw notFound(name, 'podman\'s store lacks it, and pullPolicy is "never"');
  try {
    await podman.run(["pull", name], {
      signal,
      onLine: (line) => {
        say(`pull ${name}: ${line}`);
      },
    });
  } catch (error) {
    if (error instanceof MayflyError && error.code === "TOOL_FAILED") throw notFound(name, error.evidence, error);
    throw error;
  }
  const pulled = await findImage(podman, name, signal);
  if (pulled === undefined) throw notFound(name, "podman pulled it, but does not find it afterwards");
  return pulled;
}

/** The name that means this very image for good: `NAME@DIGEST`, without a tag, as podman takes no name with both. */
export function pinned(name: string, { digest }: Pick<StoredImage, "digest">): string {
  return `${name.replace(/@.*$/, "").replace(/:\w[\w.-]*$/, "")}@${digest}`;
}

function notFound(name: string, evidence: string | undefined, cause?: unknown): MayflyError {
  return new MayflyError("IMAGE_NOT_FOUND", `there is no image "${name}"`, {
    evidence,
    remedy:
      "check the name (`podman images` lists what is here), log in with `podman login`, or build one with mayfly.Image",
    cause,
  });
}
