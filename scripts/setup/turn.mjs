import { createHash } from "node:crypto";
import { readFileSync, readlinkSync, symlinkSync, unlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const RETRY_MS = 500; // between looks at a lock that somebody else holds

/**
 * Runs work that only one process of this host may do at a time. The lock is a symbolic link to nowhere that names its
 * holder, and free when that is dead: `provider/host/locks.ts` in small, for what runs before the build.
 *
 * @template T
 * @param {string} file The lock's path. Where no link can be made the work is done without.
 * @param {(holder: string) => void} onWait Told once, when it has to wait, the id of the process that it waits for.
 * @param {() => Promise<T>} work What only one may do.
 * @returns {Promise<T>} What the work returned.
 */
export async function inTurn(file, onWait, work) {
  const mine = describe(process.pid) ?? "";
  const isHeld = await acquire(file, mine, onWait);
  try {
    return await work();
  } finally {
    if (isHeld) release(file, mine);
  }
}

/**
 * @param {string} file The lock's path.
 * @param {string} mine Who we are.
 * @param {(holder: string) => void} onWait Told when it has to wait.
 * @returns {Promise<boolean>} Whether there can be a lock.
 */
async function acquire(file, mine, onWait) {
  for (let isTold = false; ;) {
    try {
      if (take(file, mine)) return true;
    } catch {
      return false; // a clone that we may not write to: nothing can be made in it either
    }
    const [holder] = (read(file) ?? "").split(":");
    if (!isTold && holder) {
      onWait(holder);
      isTold = true;
    }
    await sleep(RETRY_MS);
  }
}

/**
 * @param {string} file The lock's path.
 * @param {string} mine Who we are.
 * @returns {boolean} Whether it is ours now.
 */
function take(file, mine) {
  if (link(file, mine)) return true;
  const text = read(file);
  if (text === undefined || describe(Number(text.split(":")[0])) === text) return false;
  // Who removes a dead one's lock holds one on that: else another might remove that of its successor.
  const guard = `${file}.${createHash("sha256").update(text).digest("hex").slice(0, 16)}`;
  if (!take(guard, mine)) return false;
  release(file, text);
  release(guard, mine);
  return link(file, mine);
}

/**
 * @param {string} file The lock's path.
 * @param {string} text Whose it is to be, when it comes into being.
 */
function link(file, text) {
  try {
    symlinkSync(text, file);
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  }
}

/**
 * @param {string} file The lock's path.
 * @param {string} text Whose it must be.
 */
function release(file, text) {
  if (read(file) === text) unlinkSync(file);
}

/** @param {string} file The lock's path. @returns {string | undefined} Whose it is, if it is anybody's. */
function read(file) {
  try {
    return readlinkSync(file);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** @param {unknown} error What was thrown. */
function codeOf(error) {
  return /** @type {NodeJS.ErrnoException} */ (error).code;
}

/**
 * A process for good, as its id alone is used again.
 *
 * @param {number} pid Its id.
 * @returns {string | undefined} Its id, start and boot, as `provider/host/process-identity.ts` has them; none when it ended.
 */
function describe(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" "); // after the program's name, which may have spaces
    if (fields[0] === "Z") return undefined;
    return [pid, fields[19], readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()].join(":");
  } catch {
    return undefined;
  }
}
