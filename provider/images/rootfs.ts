import { randomBytes } from "node:crypto";
import { rm, symlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { MayflyError } from "../errors";
import { withLock } from "../host/locks";
import type { Paths } from "../host/paths";
import type { Podman } from "../host/podman";
import type { ArchitectureName } from "../schema/architecture";
import { changedMeanwhile, digestArchive } from "./archive-digest";
import { look } from "./look";
import { findImage } from "./store";

const CLEAN_UP_MS = 60_000; // takes 0.2 s; a host that swaps takes longer

/**
 * Makes an image of a root filesystem's tar unless it is there; returns its name, which is made of the file's digest.
 *
 * @throws {MayflyError} `IMAGE_NOT_BOOTABLE` when the file is no whole tar or has nothing in it, `DISK_FULL`; `BAD_INPUT` when
 * it changed meanwhile.
 */
export async function importRootfs(
  paths: Paths,
  podman: Podman,
  path: string,
  signal: AbortSignal,
  architecture?: ArchitectureName,
): Promise<string> {
  const file = resolve(path);
  const digest = await digestArchive(paths, file);
  const name = `localhost/mayfly/rootfs:${digest.slice(0, 16)}${architecture === undefined ? "" : `-${architecture}`}`;
  await withLock(paths.locks, name, signal, async () => {
    if ((await findImage(podman, name, signal)) !== undefined) return;
    // Without a name until it is known to hold something: else a kill now would leave the name on an empty one.
    const id = await imported(paths, podman, file, architecture, signal);
    try {
      if ((await digestArchive(paths, file)) !== digest) throw changedMeanwhile(file);
      await look(podman, id, signal);
      await podman.run(["tag", id, name], { signal });
    } catch (error) {
      const cleanUp = AbortSignal.timeout(CLEAN_UP_MS);
      await podman.run(["rmi", id], { signal: cleanUp }).catch(() => undefined); // another image of the same content
      throw isEmpty(error) ? broken(file, "there is no file in it", error) : error;
    }
  });
  return name;
}

async function imported(
  { scratch }: Pick<Paths, "scratch">,
  podman: Podman,
  file: string,
  architecture: ArchitectureName | undefined,
  signal: AbortSignal,
): Promise<string> {
  const form = architecture === undefined ? [] : ["--arch", architecture];
  const link = join(scratch, randomBytes(8).toString("hex")); // podman takes no path with a colon, which a time has
  try {
    await symlink(file, link);
    return await podman.run(["import", "--quiet", ...form, "--change", "LABEL mayfly.image=rootfs", link], { signal });
  } catch (error) {
    if (error instanceof MayflyError && error.code === "TOOL_FAILED") throw broken(file, error.evidence, error);
    throw error;
  } finally {
    await rm(link, { force: true });
  }
}

function isEmpty(error: unknown): boolean {
  return error instanceof MayflyError && error.code === "IMAGE_NOT_BOOTABLE";
}

function broken(file: string, evidence: string | undefined, cause: unknown): MayflyError {
  return new MayflyError("IMAGE_NOT_BOOTABLE", `${file} is no tar of a root filesystem`, {
    evidence,
    remedy: "see what is in it (`tar -tf FILE`): it is cut off, of another kind, or empty; make or fetch it again",
    cause,
  });
}
