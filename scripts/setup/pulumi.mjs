import { mkdirSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { Failure, failureOf } from "../terminal/failure.mjs";
import { isExecutable, run } from "../terminal/programs.mjs";
import { say } from "../terminal/say.mjs";
import { makeFolder } from "./folders.mjs";
import { clearHalfMade, putInPlace } from "./half-made.mjs";
import { programOf, usePrograms } from "./host.mjs";
import { downloadPulumi } from "./pulumi-download.mjs";
import { buildPulumi } from "./pulumi-from-go.mjs";
import { isAtLeast } from "./versions.mjs";

/** @typedef {import("./host.mjs").Host} Host */

/** The oldest Pulumi that takes inputs from a dynamic provider's `read`. */
const OLDEST_PULUMI = "3.216.0";

/** What a Pulumi program in TypeScript with resources like ours needs. */
export const PULUMI_PROGRAMS = ["pulumi", "pulumi-language-nodejs", "pulumi-resource-pulumi-nodejs"];

/** @type {import("./steps.mjs").Step} */
export const pulumi = {
  title: "Pulumi",
  async missing(host) {
    if ((await systemFolder(host)) !== undefined || isWhole(ownFolder(host))) return undefined;
    return [`the Pulumi command ${version(host)}, in ${ownFolder(host)}`];
  },
  async install(host, note) {
    const folder = ownFolder(host);
    makeFolder(dirname(folder), "PULUMI_HOME");
    clearHalfMade(dirname(folder), /^bin\.(\d+)$/);
    rmSync(folder, { recursive: true, force: true }); // the launcher would take a part of it for the whole
    const reason = await downloadPulumi(host, dirname(folder), note);
    if (isWhole(folder)) return;
    say(`set-up: Pulumi cannot be downloaded here (${reason}). Building it: 2 to 5 minutes, the first time only.`);
    const made = `${folder}.${process.pid}`;
    mkdirSync(made, { recursive: true });
    try {
      const failed = await failureOf(buildPulumi(host, made, version(host), note));
      if (failed !== undefined)
        throw new Failure("The Pulumi command is not here, could not be downloaded, and could not be built.", {
          evidence: `download: ${reason}\nbuild: ${failed.report()}`,
          remedy: `install Pulumi ${OLDEST_PULUMI} or newer as its documentation says, or Go as said above; run this again.`,
          cause: failed,
        });
      putInPlace(made, folder, () => isWhole(folder));
    } finally {
      rmSync(made, { recursive: true, force: true });
    }
  },
  async use(host) {
    usePrograms(host, (await systemFolder(host)) ?? ownFolder(host));
  },
};

/** @param {Host} host Whose packages to look at. @returns {string} The version that is committed with the clone. */
function version(host) {
  return JSON.parse(readFileSync(join(host.root, "package.json"), "utf8")).devDependencies.pulumi;
}

/** @param {Host} host Where to look. @returns {string} The folder of npm's launcher, which runs what it finds there. */
function ownFolder(host) {
  const home = host.env["PULUMI_HOME"] || join(host.env["HOME"] || homedir(), ".pulumi");
  return join(home, "versions", version(host), "bin");
}

/** @param {string} folder A folder that should hold Pulumi's programs. */
function isWhole(folder) {
  return PULUMI_PROGRAMS.every((name) => isExecutable(join(folder, name)));
}

/**
 * The folder of the user's own Pulumi, where that is new enough and whole.
 *
 * @param {Host} host Where to look.
 */
async function systemFolder(host) {
  const found = programOf(host, "pulumi");
  if (found === undefined) return undefined;
  const folder = dirname(realpathSync(found)); // its plugins lie beside it, not beside a link to it
  if (!isWhole(folder)) return undefined; // npm's launcher, for one, which would download now
  let seen = "";
  const env = { ...host.env, PULUMI_SKIP_UPDATE_CHECK: "1" };
  await failureOf(run(found, ["version"], { env }).then((said) => (seen = said)));
  return isAtLeast(seen, OLDEST_PULUMI) ? folder : undefined;
}
