import { MayflyError } from "../errors";
import { withLock } from "../host/locks";
import type { Paths } from "../host/paths";
import type { Podman } from "../host/podman";
import type { Say } from "../host/progress";
import type { ArchitectureName } from "../schema/architecture";
import type { ImageSpec } from "../schema/image";
import { containerOf, type ContainerConfig, type ImageConfig } from "./container-config";

/** An image in podman's store. */
export interface StoredImage {
  /** Hash of the image's configuration: names its content for good. Without `sha256:`. */
  readonly id: string;
  /** Digest of its own manifest, as registries name it: `sha256:…`. Not that of the list which it was pulled by, if any. */
  readonly digest: string;
  /** Bytes in the store, layers shared with other images included. */
  readonly bytes: number;
  /** As Go names it: `amd64`. Empty where the image does not say. */
  readonly architecture: string;
  /** What a container of it would run. */
  readonly container: ContainerConfig;
}

type Found = Promise<StoredImage | undefined>;

/** What was found in a store, as long as that does not change: each VM of a fleet asks for the same image, all at once. */
const FOUND = new WeakMap<Podman, { readonly stamp: string; readonly images: Map<string, Found> }>();

/** Looks an image up; `undefined` when the store has none by that name. */
export async function findImage(podman: Podman, name: string, signal: AbortSignal): Promise<StoredImage | undefined> {
  const stamp = await podman.imagesStamp(signal);
  const ask = async () => askForImage(podman, name, signal);
  if (stamp === undefined) return ask();
  const known = FOUND.get(podman);
  const { images } = known?.stamp === stamp ? known : { images: new Map<string, Found>() };
  FOUND.set(podman, { stamp, images });
  const asked = images.get(name);
  // Only what is there is told again: another's failure, or that there is nothing, is no answer for this one.
  const asking = asked === undefined ? ask() : asked.catch(() => undefined).then(async (found) => found ?? ask());
  images.set(name, asking);
  return asking;
}

async function askForImage(podman: Podman, name: string, signal: AbortSignal): Promise<StoredImage | undefined> {
  try {
    const [image] = JSON.parse(await podman.run(["image", "inspect", name], { signal })) as PodmanImage[];
    if (image === undefined) return undefined;
    const { Id, Size: bytes, Architecture: architecture = "", Config } = image;
    const digest = ownDigest(image);
    return { id: Id.replace(/^sha256:/, ""), digest, bytes, architecture, container: containerOf(Config) };
  } catch (error) {
    // podman has one exit code for all failures of this command.
    if (error instanceof MayflyError && /no such image|image not known/i.test(error.evidence ?? "")) return undefined;
    throw error;
  }
}

/**
 * Of an image that was pulled by a list of forms for several architectures podman calls the list's digest its own, which
 * another form of it has as well; both are among the digests that it has by name.
 */
function ownDigest({ Digest, RepoDigests }: PodmanImage): string {
  const digests = (RepoDigests ?? []).map((name) => name.replace(/^.*@/, ""));
  return digests.find((digest) => digest !== Digest) ?? Digest;
}

interface PodmanImage {
  readonly Id: string;
  readonly Digest: string;
  /** `NAME@DIGEST`. */
  readonly RepoDigests?: readonly string[] | null;
  readonly Size: number;
  readonly Architecture?: string;
  readonly Config?: ImageConfig | null;
}

/** When an image is pulled, and which. */
export interface Pull {
  /** @default "missing" */
  readonly policy?: ImageSpec["pullPolicy"];
  /** What it has to be for; absent: what podman takes, which is for this host's processor where that is offered. */
  readonly architecture?: ArchitectureName | undefined;
}

/**
 * Finds an image, or pulls it. Of those that pull by the same name one does so at a time: the name is that of what was
 * pulled last, and another one may want another form.
 *
 * @param locks The folder of locks.
 * @throws {MayflyError} `IMAGE_NOT_FOUND` when it is neither in the store nor to be had.
 */
export async function resolveImage(
  podman: Podman,
  name: string,
  signal: AbortSignal,
  say: Say,
  locks: Paths["locks"],
  { policy = "missing", architecture }: Pull = {},
): Promise<StoredImage> {
  const stored = policy === "always" ? undefined : await findImage(podman, name, signal);
  if (stored !== undefined && isFor(stored, architecture)) return stored;
  const reason = whyNotPulled(name, policy, stored);
  if (reason !== undefined) throw notFound(name, reason);
  const pulled = await withLock(locks, `pull ${name}`, signal, async () => {
    const id = await pull(podman, name, architecture, signal, say);
    return findImage(podman, id, signal);
  });
  if (pulled === undefined) throw notFound(name, "podman pulled it, but does not find it afterwards");
  if (!isFor(pulled, architecture)) throw notFound(name, `what the registry has of it is for ${pulled.architecture}`);
  return pulled;
}

/** Whether an image is for an architecture, if one is asked for. */
function isFor(image: StoredImage, architecture: ArchitectureName | undefined): boolean {
  return architecture === undefined || image.architecture === architecture;
}

function whyNotPulled(name: string, policy: Pull["policy"], stored: StoredImage | undefined): string | undefined {
  const seen = stored === undefined ? "podman's store has no image of that name" : `it is for ${stored.architecture}`;
  if (name.startsWith("localhost/")) return seen;
  return policy === "never" ? `${seen}, and pullPolicy is "never"` : undefined;
}

/** Returns the image's id. */
async function pull(
  podman: Podman,
  name: string,
  architecture: ArchitectureName | undefined,
  signal: AbortSignal,
  say: Say,
): Promise<string> {
  const form = architecture === undefined ? [] : ["--arch", architecture];
  const onLine = (line: string) => {
    say(`pull ${name}: ${line}`);
  };
  try {
    const output = await podman.run(["pull", ...form, name], { signal, onLine });
    return output.trimEnd().split("\n").at(-1) ?? "";
  } catch (error) {
    if (error instanceof MayflyError && error.code === "TOOL_FAILED") throw notFound(name, error.evidence, error);
    throw error;
  }
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
