import { existsSync, lstatSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";

/**
 * Removes what this user's set-ups that were killed have left half-made.
 *
 * @param {string} place The folder that it is in.
 * @param {RegExp} name Its name, with the id of the process that made it as the first group.
 */
export function clearHalfMade(place, name) {
  for (const entry of existsSync(place) ? readdirSync(place) : []) {
    const [, maker] = name.exec(entry) ?? [];
    if (maker === undefined || existsSync(`/proc/${maker}`)) continue;
    const path = join(place, entry);
    const isOurs = lstatSync(path, { throwIfNoEntry: false })?.uid === process.getuid?.();
    if (isOurs) rmSync(path, { recursive: true, force: true });
  }
}

/**
 * Puts a folder in its place in one step: what is in place is whole. Another clone's set-up may have been quicker.
 *
 * @param {string} made The folder that was made.
 * @param {string} place Where it belongs.
 * @param {() => boolean} isWhole Whether all is there.
 */
export function putInPlace(made, place, isWhole) {
  if (isWhole()) return;
  rmSync(place, { recursive: true, force: true });
  try {
    renameSync(made, place);
  } catch (error) {
    if (!isWhole()) throw error;
  }
}
