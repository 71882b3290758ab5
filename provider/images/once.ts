import { randomBytes } from "node:crypto";
import { mkdir, rename, rm, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import { syncFolder, syncTree } from "../host/files";
import { withLock } from "../host/locks";
import type { Paths } from "../host/paths";

/** Where things of the cache are made. */
export interface Workplace {
  readonly paths: Paths;
  /** Keeps what is there below its cap; runs before anything is made. */
  readonly makeRoom: () => Promise<void>;
}

/**
 * Makes a file or folder of the cache unless it is there, and notes that it was asked for; one process makes it, others
 * wait. It is made in a scratch folder that is gone afterwards, whatever happened, and moved into its place as a whole.
 *
 * @param place Where it belongs, below the folder of artefacts.
 * @param make Fills the draft; returns what is to be moved: the draft, or a file `DRAFT.made`.
 */
export async function once(
  { paths, makeRoom }: Workplace,
  place: string,
  signal: AbortSignal,
  make: (draft: string) => Promise<string>,
): Promise<void> {
  if (await wasThere(place)) return;
  const name = place.slice(paths.artefacts.length + 1).replaceAll("/", "-");
  await withLock(paths.locks, `artefacts-${name}`, signal, async () => {
    if (await wasThere(place)) return;
    await makeRoom();
    const draft = join(paths.scratch, randomBytes(8).toString("hex"));
    await mkdir(draft, { mode: 0o700 });
    try {
      const made = await make(draft);
      await syncTree(made); // whoever finds it takes it for whole, also after a power cut
      await rename(made, place);
      await syncFolder(dirname(place));
    } finally {
      await rm(draft, { recursive: true, force: true });
      await rm(`${draft}.made`, { force: true });
    }
  });
}

/** Whether a file or folder is there; when it was last asked for is its time. */
export async function wasThere(place: string): Promise<boolean> {
  const now = new Date();
  try {
    await utimes(place, now, now);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}
