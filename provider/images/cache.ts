import { randomBytes } from "node:crypto";
import type { Stats } from "node:fs";
import { readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Paths } from "../host/paths";

/** What there may be of boot artefacts, and for how long what nobody asks for is kept. */
export interface CacheLimits {
  /** Bytes of the disk that they may take before another image's are made. */
  readonly capBytes: number;
  /** What was asked for in this time is kept, whatever its size: somebody may be about to start a machine from it. */
  readonly graceMs: number;
  /** Remains of other versions of Mayfly, and of makers that were killed, go after this time. */
  readonly remainsMs: number;
}

/** The limits that hold. */
export const CACHE_LIMITS: CacheLimits = {
  capBytes: 16 * 1024 ** 3, // some fifty images
  graceMs: 3_600_000, // the longest time to wait for one's turn in a large `up`, and then to boot
  remainsMs: 86_400_000,
};

/** All artefacts of one image: alone, and completed by those of a lender. They share files. */
interface Unit {
  /** The image's id. */
  readonly id: string;
  readonly folders: readonly string[];
  /** When somebody last asked for it, in milliseconds since 1970. */
  readonly usedAt: number;
  /** Bytes by inode. */
  readonly files: ReadonlyMap<string, number>;
}

/**
 * Throws out the artefacts that were not asked for for longest, until all together are below the cap; and what former
 * versions or killed makers have left.
 *
 * @param inUse Versions of the artefacts that machines and templates were made from. A
 * machine that runs has its files open all the same: it loses nothing but the name of what it boots from.
 */
export async function makeRoom(
  { artefacts, scratch }: Pick<Paths, "artefacts" | "scratch">,
  inUse: readonly string[],
  { capBytes, graceMs, remainsMs }: CacheLimits = CACHE_LIMITS,
): Promise<void> {
  const now = Date.now();
  for (const name of await readdir(scratch))
    await removeOlder(join(scratch, name), now - remainsMs).catch(() => undefined); // another user's: no reason to make nothing
  const names = await readdir(artefacts);
  for (const name of names)
    if (!isUsed({ id: idOf(name) }, inUse)) await removeRemains(join(artefacts, name), now - remainsMs);
  let units = await unitsIn(artefacts, names);
  for (const unit of [...units].sort((a, b) => a.usedAt - b.usedAt)) {
    if (bytesOf(units) <= capBytes) return;
    if (unit.usedAt > now - graceMs || isUsed(unit, inUse)) continue;
    await removeUnit(unit, scratch);
    units = units.filter((other) => other !== unit);
  }
}

/** The boot artefacts of one image. */
export interface ImageArtefacts {
  /** The image's id. */
  readonly id: string;
  /** What they take of the disk; what they share with another image's counts for both. */
  readonly bytes: number;
}

/**
 * The artefacts of images that nobody uses.
 *
 * @param inUse As for {@link makeRoom}.
 * @param graceMs What was asked for in this time counts as used: a machine may be about to start from it.
 */
export async function unusedArtefacts(
  { artefacts }: Pick<Paths, "artefacts">,
  inUse: readonly string[],
  graceMs: number,
): Promise<ImageArtefacts[]> {
  const units = await unitsIn(artefacts, await readdir(artefacts));
  const unused = units.filter((unit) => unit.usedAt <= Date.now() - graceMs && !isUsed(unit, inUse));
  return unused.map((unit) => ({ id: unit.id, bytes: bytesOf([unit]) }));
}

/** Throws out the artefacts of one image. Succeeds when there are none. */
export async function removeArtefacts(
  { artefacts, scratch }: Pick<Paths, "artefacts" | "scratch">,
  id: string,
): Promise<void> {
  const units = await unitsIn(artefacts, await readdir(artefacts));
  for (const unit of units.filter((one) => one.id === id)) await removeUnit(unit, scratch);
}

/** With the last name of a file that others share goes the file. */
async function removeUnit({ folders }: Pick<Unit, "folders">, scratch: string): Promise<void> {
  for (const folder of folders) await remove(folder, scratch);
}

/** At once, so that nobody finds a half of it. */
async function remove(folder: string, scratch: string): Promise<void> {
  const doomed = join(scratch, randomBytes(8).toString("hex"));
  try {
    await rename(folder, doomed);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error; // another process was first
  }
  await rm(doomed, { recursive: true, force: true });
}

/** Whether somebody uses an image's artefacts. */
function isUsed({ id }: Pick<Unit, "id">, inUse: readonly string[]): boolean {
  return inUse.some((version) => usesImage(version, id));
}

/**
 * Whether boot artefacts of a version are made of an image, or lent by it. A version begins with the image's id; the first
 * twelve digits of the lender's, if there is one, follow. Pure.
 */
export function usesImage(version: string, id: string): boolean {
  const [image, lender] = version.split("-");
  return image === id || lender === id.slice(0, 12);
}

/** Of which image a folder's artefacts are. */
function idOf(name: string): string {
  return name.split("-")[0] ?? name;
}

/** All artefacts that there are, image by image. */
export async function unitsIn(artefacts: string, names: readonly string[]): Promise<Unit[]> {
  const ids = new Set(names.map((name) => idOf(name)));
  return Promise.all(
    [...ids].map(async (id) => {
      const folders = names.filter((name) => idOf(name) === id).map((name) => join(artefacts, name));
      const files = new Map<string, number>();
      let usedAt = 0;
      for (const folder of folders) {
        usedAt = Math.max(usedAt, (await seen(folder))?.mtimeMs ?? 0);
        for (const name of await readdir(folder, { recursive: true }).catch(() => [])) {
          const file = await seen(join(folder, name));
          if (file?.isFile() === true) files.set(String(file.ino), file.blocks * 512);
        }
      }
      return { id, folders, usedAt, files };
    }),
  );
}

/** What units take together; a file that several have counts once. */
export function bytesOf(units: readonly Pick<Unit, "files">[]): number {
  const all = new Map(units.flatMap(({ files }) => [...files]));
  return [...all.values()].reduce((sum, bytes) => sum + bytes, 0);
}

/**
 * Removes what our own part of an image's artefacts was in other versions. Not for one that is in use: a machine that is off
 * boots from what it had, where podman has its image no more.
 */
async function removeRemains(folder: string, before: number): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names.filter((file) => /^(?:initramfs-\w+\.cpio|parts-\d+\.erofs)$/.test(file)))
    await removeOlder(join(folder, name), before);
}

async function removeOlder(path: string, before: number): Promise<void> {
  const { mtimeMs = Number.POSITIVE_INFINITY } = (await seen(path)) ?? {};
  if (mtimeMs < before) await rm(path, { recursive: true, force: true });
}

/** `undefined` for what somebody else has removed meanwhile. */
async function seen(path: string): Promise<Stats | undefined> {
  return stat(path).catch(() => undefined);
}
