import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { lock } from "proper-lockfile";
import { MayflyError } from "../errors";

const STALE_MS = 15_000; // a holder that was killed blocks others no longer than this
const RETRY_MS = 100; // between looks at a lock that somebody else holds

/**
 * Runs work that only one process of this host may do at a time. Waits for its turn as long as the signal allows.
 *
 * @param folder The folder of locks.
 * @param name What is locked, for example an image digest.
 * @throws {MayflyError} `LOCK_TIMEOUT` when the signal fired while another process held the lock.
 */
export async function withLock<T>(
  folder: string,
  name: string,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  const release = await acquire(folder, name, signal);
  try {
    return await work();
  } finally {
    await release();
  }
}

async function acquire(folder: string, name: string, signal: AbortSignal): Promise<() => Promise<void>> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, name.replaceAll(/[^\w.-]/g, "_"));
  for (;;) {
    try {
      // The file itself need not be there, so that nothing of a lock stays when it is given back.
      return await lock(file, { realpath: false, stale: STALE_MS, update: STALE_MS / 3 });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ELOCKED") throw error;
    }
    try {
      await sleep(RETRY_MS, undefined, { signal });
    } catch (cause) {
      throw new MayflyError("LOCK_TIMEOUT", `another process works on "${name}" and did not finish in time`, {
        cause,
        remedy: `wait for it, or end it; the lock ${file}.lock frees itself ${String(STALE_MS / 1_000)} s after its holder died`,
      });
    }
  }
}
