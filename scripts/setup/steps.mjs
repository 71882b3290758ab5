import { build } from "./build.mjs";
import { downloader, hostPackages } from "./host-packages.mjs";
import { node } from "./node.mjs";
import { npmPackages } from "./npm-packages.mjs";
import { pulumi } from "./pulumi.mjs";
import { subordinateIds } from "./subordinate-ids.mjs";

/**
 * One part of the set-up.
 *
 * @typedef {object} Step
 * @property {string} title What it is about.
 * @property {(host: import("./host.mjs").Host) => readonly string[] | undefined | Promise<readonly string[] | undefined>}
 *   missing What is not there and would be made, in a person's words; `undefined` when all is well. Takes no time.
 * @property {(host: import("./host.mjs").Host) => string} [asRoot] What root is needed for, as an administrator would
 *   type it; fails when it is certain already that this cannot be made here.
 * @property {(host: import("./host.mjs").Host, note: (line: string) => void) => Promise<void>} install Makes it.
 * @property {(host: import("./host.mjs").Host) => void | Promise<void>} [use] Makes it known to all that follows.
 */

/** @type {Step} */
const installerPackages = {
  ...downloader,
  missing: async (host) => ((await pulumi.missing(host)) === undefined ? undefined : downloader.missing(host)),
};

/** All of the set-up, in order: each step may use what the ones before it have made. @type {readonly Step[]} */
export const STEPS = [node, hostPackages, installerPackages, subordinateIds, npmPackages, build, pulumi];
