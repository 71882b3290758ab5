import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { MayflyError, withoutPointer } from "../errors";
import { hashFile } from "./local-files";
import { eachOf } from "./sync-transfer";
import { excluding, localTree } from "./sync-tree";

const FILES_AT_A_TIME = 8;

/**
 * One hash of all that a sync sends of a folder: paths, modes, link targets and contents, not times. So two clones of a
 * repository have the same one.
 *
 * @param exclude As of the sync.
 * @returns SHA-256 in hex.
 * @throws {MayflyError} `COPY_FAILED` for a file that can't be read.
 */
export async function digestFolder(folder: string, exclude: readonly string[]): Promise<string> {
  const { entries } = await localTree(folder, await excluding(exclude));
  const contents = new Map<string, string>();
  const files = [...entries].filter(([, { kind }]) => kind === "file");
  await eachOf(files, FILES_AT_A_TIME, async ([path]) => {
    contents.set(path, await hashReadable(join(folder, path)));
  });
  const digest = createHash("sha256");
  for (const path of [...entries.keys()].sort()) {
    const { kind, mode, target } = entries.get(path) ?? {};
    digest.update(`${JSON.stringify([path, kind, mode, target ?? contents.get(path)])}\n`);
  }
  return digest.digest("hex");
}

/** Why a folder can't be sent as a whole; `undefined` when it can. */
export async function unreadableIn(folder: string, exclude: readonly string[]): Promise<string | undefined> {
  const unreadable: string[] = [];
  try {
    const { entries } = await localTree(folder, await excluding(exclude));
    const files = [...entries].filter(([, { kind }]) => kind === "file");
    await eachOf(files, FILES_AT_A_TIME, async ([path]) => {
      const file = await open(join(folder, path), "r").catch(() => undefined); // access(2) does not see all reasons
      if (file === undefined) unreadable.push(path);
      else await file.close();
    });
  } catch (error) {
    return error instanceof Error ? withoutPointer(error.message) : String(error);
  }
  if (unreadable.length === 0) return undefined;
  const [shown, more] = [unreadable.sort().slice(0, 3).join(", "), unreadable.length - 3];
  return `can't be read as a whole: ${shown}${more > 0 ? ` and ${String(more)} more` : ""}; look at the rights, or exclude it`;
}

async function hashReadable(path: string): Promise<string> {
  const hash = await hashFile(path);
  if (hash !== undefined) return hash;
  throw new MayflyError("COPY_FAILED", `${path} can't be read`, {
    remedy: `look at its rights (ls -l), or exclude it; when something else writes there, run again`,
  });
}
