import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../terminal/programs.mjs";

/**
 * @typedef {Readonly<Record<string, { version?: string, integrity?: string, link?: boolean, optional?: boolean,
 *   devOptional?: boolean }>>} LockedPackages
 */

/**
 * Arguments of npm that make what a lock file names, all of it: also where NODE_ENV or the user's .npmrc would leave out
 * what is for development, or optional. No install scripts: all that they would do here is build optional native parts with
 * whatever compiler is there.
 */
export const NPM_CI = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--include=dev", "--include=optional"];

/** What package-lock.json names, in the clone's node_modules. @type {import("./steps.mjs").Step} */
export const npmPackages = {
  title: "npm packages",
  missing({ root }) {
    const wanted = packagesOf(join(root, "package-lock.json"));
    const differing = differences(wanted, packagesOf(join(root, "node_modules", ".package-lock.json")));
    return differing === 0 ? undefined : [`${differing} packages of package-lock.json (npm ci)`];
  },
  async install({ root, env }, note) {
    await run("npm", NPM_CI, { env, cwd: root, note });
  },
};

/**
 * How many packages are not installed as locked. npm itself records what it has installed, in a hidden lock file, so
 * no stamp of ours is needed, and an `npm install` by hand is seen as what it is.
 *
 * @param {LockedPackages} wanted The packages of package-lock.json.
 * @param {LockedPackages} installed The packages of node_modules/.package-lock.json.
 */
export function differences(wanted, installed) {
  const differing = Object.entries(wanted).filter(([path, { version, integrity, link, optional, devOptional }]) => {
    if (!path.includes("node_modules/")) return false; // the clone's own packages
    const seen = installed[path];
    // Packages for another system or processor are rightly absent.
    if (seen === undefined) return !(optional ?? devOptional ?? false);
    return link !== seen.link || version !== seen.version || integrity !== seen.integrity;
  });
  return differing.length;
}

/** @param {string} file A lock file of npm, which may not be there. @returns {LockedPackages} Its packages by path. */
function packagesOf(file) {
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")).packages : {};
}
