import { createHash, randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { lstat, readdir, readlink, rmdir, symlink, unlink } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { MayflyError } from "../errors";
import { identifySelf, isAlive, type ProcessIdentity } from "./process-identity";

const RETRY_MS = 100; // between looks at a lock that somebody else holds

/**
 * Runs work that only one process of this host may do at a time. Waits for its turn as long as the signal allows.
 *
 * A lock is its holder's until that gives it back or is dead: however long it sleeps or is stopped, and whatever the clock
 * says meanwhile.
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
  const path = pathOf(folder, name);
  const mine = describeSelf();
  await acquire(path, mine, name, signal);
  try {
    return await work();
  } finally {
    await release(path, mine);
  }
}

/** Runs work like {@link withLock}, but only where nobody else holds the lock. Does not wait. */
export async function ifFree(folder: string, name: string, work: () => Promise<void>): Promise<void> {
  const path = pathOf(folder, name);
  const mine = describeSelf();
  if (!(await take(path, mine))) return;
  try {
    await work();
  } finally {
    await release(path, mine);
  }
}

/** Whether a living process holds a lock. */
export async function isLocked(folder: string, name: string): Promise<boolean> {
  return isHeld(pathOf(folder, name));
}

/** Whether a living process holds any of the locks whose names begin so. */
export async function isAnyLocked(folder: string, start: string): Promise<boolean> {
  const prefix = pathOf(folder, start).slice(0, -EXTENSION.length);
  const paths = (await readdir(folder)).map((file) => join(folder, file)).filter((path) => path.startsWith(prefix));
  for (const path of paths) if (await isHeld(path)) return true;
  return false;
}

async function isHeld(path: string): Promise<boolean> {
  const holder = holderOf((await readLock(path)) ?? "");
  return holder !== undefined && isAlive(holder);
}

/** Removes a lock whose holder was killed; nothing where there is none, or its holder lives. */
export async function removeIfDead(folder: string, name: string): Promise<void> {
  await dropDead(pathOf(folder, name));
}

/** Removes all locks of a folder whose holders were killed. */
export async function removeDeadLocks(folder: string): Promise<void> {
  for (const file of await readdir(folder)) await dropDead(join(folder, file));
}

async function dropDead(path: string): Promise<void> {
  const text = await readLock(path);
  const holder = holderOf(text ?? "");
  if (text !== undefined && holder !== undefined && !isAlive(holder)) await removeDead(path, text, describeSelf());
}

function pathOf(folder: string, name: string): string {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return join(folder, `${fileOf(name)}${EXTENSION}`);
}

/** Names of images may be longer than a file's may be; a dead holder's lock has a few words more for a moment. */
function fileOf(name: string): string {
  const plain = name.replaceAll(/[^\w.-]/g, "_");
  if (plain.length <= LONGEST_NAME) return plain;
  return `${plain.slice(0, LONGEST_NAME)}-${createHash("sha256").update(name).digest("hex").slice(0, 16)}`;
}

const LONGEST_NAME = 150;

const EXTENSION = ".lock";

async function acquire(path: string, mine: string, name: string, signal: AbortSignal): Promise<void> {
  for (;;) {
    if (await take(path, mine)) return;
    try {
      await sleep(RETRY_MS, undefined, { signal });
    } catch (cause) {
      const holder = holderOf((await readLock(path)) ?? "");
      const whose = holder === undefined ? "" : ` (process ${String(holder.pid)})`;
      throw new MayflyError("LOCK_TIMEOUT", `another process works on "${name}" and did not finish in time`, {
        cause,
        remedy: `wait for it, or end it${whose}; the lock ${path} is free at once when its holder is dead`,
      });
    }
  }
}

/**
 * Takes a lock unless a living process holds it. It is a symbolic link to nowhere whose text says who holds it, as editors
 * have it: it comes into being with its text, or not at all.
 */
async function take(path: string, mine: string): Promise<boolean> {
  if (await link(path, mine)) return true;
  const text = await readLock(path);
  if (text === undefined) return false; // given back just now, or a former version's
  const holder = holderOf(text);
  if (holder !== undefined && isAlive(holder)) return false;
  await removeDead(path, text, mine);
  return link(path, mine);
}

/**
 * Removes the lock of a dead holder. Who does so holds a lock on that, named by the text of the dead one's: else another
 * one who has seen it might remove that of its successor.
 */
async function removeDead(path: string, text: string, mine: string): Promise<void> {
  const guard = `${path}.${createHash("sha256").update(text).digest("hex").slice(0, 16)}`;
  if (!(await take(guard, mine))) return;
  try {
    await release(path, text);
  } finally {
    await release(guard, mine);
  }
}

/** Removes a lock if it is still the one of that text. */
async function release(path: string, text: string): Promise<void> {
  if ((await readLock(path)) === text) await unlink(path);
}

async function link(path: string, text: string): Promise<boolean> {
  try {
    await symlink(text, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** The text of a lock; `undefined` when there is none that has one. */
async function readLock(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EINVAL") await removeFormer(path);
    else if (code !== "ENOENT") throw error;
    return undefined;
  }
}

/** Locks of former versions are folders, whose holders touch them every few seconds. */
async function removeFormer(path: string): Promise<void> {
  const seen = await lstat(path).catch(() => undefined);
  if (seen?.isDirectory() === true && Date.now() - seen.mtimeMs > FORMER_STALE_MS)
    await rmdir(path).catch(() => undefined); // another one was quicker
}

const FORMER_STALE_MS = 15_000;

/** This process, and a number for each lock that it takes. */
function describeSelf(): string {
  const { pid, startTime, bootId } = identifySelf();
  return [String(pid), startTime, bootId, randomBytes(8).toString("hex")].join(":");
}

/** Who a lock's text says holds it; `undefined` when it says nothing. */
function holderOf(text: string): ProcessIdentity | undefined {
  const [pid, startTime, bootId] = text.split(":");
  if (pid === undefined || startTime === undefined || bootId === undefined) return undefined;
  return { pid: Number(pid), startTime, bootId };
}
