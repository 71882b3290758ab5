import { accessSync, constants, mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { Failure } from "../terminal/failure.mjs";

/**
 * Makes a folder of the user's, and those above it, where missing.
 *
 * @param {string} path Its whole path.
 * @param {string} variable Of the environment, by which the user can choose another.
 * @param {number} [mode] Of what is made.
 * @throws {Failure} When we cannot write to it.
 */
export function makeFolder(path, variable, mode) {
  try {
    make(path, mode);
    accessSync(path, constants.W_OK);
  } catch (error) {
    throw new Failure(`There can be no folder ${path} that we may write to.`, {
      evidence: /** @type {Error} */ (error).message,
      remedy: `choose another: ${variable}=/another/folder`,
      cause: error,
    });
  }
}

/**
 * Not by `recursive` of Node's own: below /proc, where a mkdir in a folder that is there says ENOENT, that never ends.
 *
 * @param {string} path What to make.
 * @param {number | undefined} mode Its mode.
 */
function make(path, mode) {
  if (isFolder(path)) return;
  const above = dirname(path);
  if (above !== path) make(above, mode);
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    if (!isFolder(path)) throw error; // else somebody else was quicker
  }
}

/** @param {string} path What may be there. */
function isFolder(path) {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
