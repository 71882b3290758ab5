import { MayflyError } from "../errors";
import type { Podman } from "../host/podman";
import type { ArchitectureName } from "../schema/architecture";

/** An image that a registry has. */
export interface OfferedImage {
  /** What its id would be in podman's store. */
  readonly id: string;
  /** Bytes to be pulled where none of its layers is there yet. */
  readonly bytes: number;
}

/** The part of a manifest that we read, of one image or of a list of them for several architectures. */
interface Manifest {
  readonly config?: { readonly digest: string };
  readonly layers?: readonly { readonly size: number }[];
  readonly manifests?: readonly {
    readonly digest: string;
    readonly platform?: { readonly architecture?: string; readonly os?: string };
  }[];
}

/**
 * Asks a registry what it has by a name, with podman's own login, and without pulling it.
 *
 * @throws {MayflyError} `IMAGE_NOT_FOUND` where it has nothing, or does not answer.
 */
export async function askRegistry(
  podman: Podman,
  name: string,
  architecture: ArchitectureName,
  signal: AbortSignal,
): Promise<OfferedImage> {
  // A digest says it all; podman's look at a manifest refuses a name with both, which its pull takes.
  const manifest = await manifestOf(podman, name.replace(/:\w[\w.-]*@/, "@"), signal);
  if (manifest.manifests === undefined) return offered(name, manifest);
  const entry = manifest.manifests.find(
    ({ platform }) => platform?.architecture === architecture && platform.os === "linux",
  );
  if (entry === undefined)
    throw notOffered(name, `there is no image for ${architecture} among those that it has by this name`);
  const repository = name.replace(/@.*$/, "").replace(/:\w[\w.-]*$/, "");
  return offered(name, await manifestOf(podman, `${repository}@${entry.digest}`, signal));
}

function offered(name: string, { config, layers = [] }: Manifest): OfferedImage {
  if (config === undefined) throw notOffered(name, "its manifest names no configuration: it is no image");
  return { id: config.digest.replace(/^sha256:/, ""), bytes: layers.reduce((sum, { size }) => sum + size, 0) };
}

async function manifestOf(podman: Podman, name: string, signal: AbortSignal): Promise<Manifest> {
  try {
    return JSON.parse(await podman.run(["manifest", "inspect", name], { signal })) as Manifest;
  } catch (error) {
    if (!(error instanceof MayflyError) || error.code !== "TOOL_FAILED") throw error;
    const manifest = refusedManifest(error.evidence ?? "");
    if (manifest !== undefined) return manifest;
    throw notOffered(name, error.evidence, error);
  }
}

/** Of a single image in the OCI form, podman before version 5 shows the manifest in the error that it is not a list. */
function refusedManifest(evidence: string): Manifest | undefined {
  const quoted = /parsing manifest blob ("(?:[^"\\]|\\.)*") as a/.exec(evidence)?.[1];
  try {
    return quoted === undefined ? undefined : (JSON.parse(JSON.parse(quoted) as string) as Manifest);
  } catch {
    return undefined; // of another kind than we know: the error tells the rest
  }
}

function notOffered(name: string, evidence: string | undefined, cause?: unknown): MayflyError {
  return new MayflyError("IMAGE_NOT_FOUND", `the registry of "${name}" does not offer it`, {
    evidence,
    remedy:
      "check the name, the network and `podman login`; " +
      'with pullPolicy: "missing" the registry is only asked for what podman\'s store lacks',
    cause,
  });
}
