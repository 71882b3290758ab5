import { chmodSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { duration } from "../terminal/say.mjs";
import { askedToEnd } from "../terminal/signals.mjs";
import { clearDeadHomes } from "./dead-homes.mjs";
import { keptFolder } from "./kept.mjs";
import { runGroup } from "./run-group.mjs";
import { LOWEST_PRIORITY } from "./stages.mjs";
import { tallyJest } from "./tally.mjs";

/** @typedef {import("./stages.mjs").Stage} Stage */
/** @typedef {import("./tally.mjs").Tally} Tally */
/** @typedef {import("../setup/host.mjs").Host} Host */

/**
 * Runs one stage to its end, whatever that is.
 *
 * @param {Host} host Where programs are started.
 * @param {Stage} stage What to run.
 * @param {readonly string[]} forJest More arguments for jest.
 * @returns {Promise<Tally & { stage: string, took: string }>} What came out of it.
 */
export async function runStage(host, stage, forJest) {
  const started = performance.now();
  const tally = stage.tests === undefined ? await runScript(host, stage) : await runJest(host, stage, forJest);
  return { ...tally, stage: stage.name, took: duration(performance.now() - started) };
}

/**
 * @param {Host} host Where programs are started.
 * @param {Stage} stage An npm script.
 * @returns {Promise<Tally>} One test.
 */
async function runScript(host, { script = "", deadlineMinutes }) {
  const options = { env: host.env, cwd: host.root, deadlineMs: deadlineMinutes * 60_000, niceness: LOWEST_PRIORITY };
  const { code, isLate } = await runGroup("npm", ["run", "--silent", script], options);
  if (code === 0) return { passed: 1, failures: [], notes: [] };
  return { passed: 0, failures: [`npm run ${script}${why(isLate, deadlineMinutes)}`], notes: [] };
}

/**
 * @param {Host} host Where programs are started.
 * @param {Stage} stage A ring of tests.
 * @param {readonly string[]} forJest More arguments for jest.
 * @returns {Promise<Tally>} Its tests.
 */
async function runJest(host, { tests = "", jest = [], hasVMs = false, deadlineMinutes }, forJest) {
  const folder = join(host.root, tests);
  if (!hasTests(folder)) return { passed: 0, failures: [], notes: [`no tests in ${tests}`] };
  const scratch = mkdtempSync(join(tmpdir(), "mayfly-jest-"));
  chmodSync(scratch, 0o711); // the test user has a clone in it
  const report = join(scratch, "report.json");
  try {
    const node = ["--experimental-vm-modules", "--disable-warning=ExperimentalWarning"]; // execa is an ES module
    const program = join(host.root, "node_modules", "jest", "bin", "jest.js");
    const args = ["--config", join(host.root, "jest.config.cjs"), "--roots", folder, "--json", "--outputFile", report];
    const env = {
      ...host.env,
      MAYFLY_TEST_SCRATCH: scratch, // for what the tests make once for all of them
      ...(hasVMs && { MAYFLY_TEST_KEPT: keptFolder(host.root) }), // and for what the next run may have, too
      NODE_COMPILE_CACHE: join(scratch, "compiled"), // a third of what a run of `pulumi` costs is reading the same modules
    };
    const options = { env, cwd: host.root, deadlineMs: deadlineMinutes * 60_000 };
    await clearDeadHomes(host);
    if (askedToEnd() !== undefined) return { passed: 0, failures: [`${tests}${why(false, 0)}`], notes: [] };
    const { isLate, code } = await runGroup("node", [...node, program, ...args, ...jest, ...forJest], options);
    await clearDeadHomes(host);
    if (!existsSync(report)) {
      return { passed: 0, failures: [`${tests}: jest wrote no report${why(isLate, deadlineMinutes)}`], notes: [] };
    }
    const tally = tallyJest(JSON.parse(readFileSync(report, "utf8")), isFiltered(forJest));
    // Something beside the tests: a global teardown, a handle that keeps it from ending.
    const beside =
      code !== 0 && tally.failures.length === 0
        ? [`${tests}: jest ended with ${code}${why(isLate, deadlineMinutes)}`]
        : [];
    return { ...tally, failures: [...tally.failures, ...beside] };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/**
 * Why a stage was ended, where it was.
 *
 * @param {boolean} isLate Whether a deadline ended it.
 * @param {number} minutes That deadline.
 */
function why(isLate, minutes) {
  const signal = askedToEnd();
  if (signal !== undefined) return ` (ended by ${signal})`;
  return isLate ? ` (not done after ${minutes} min)` : "";
}

/** @param {readonly string[]} forJest Arguments for jest. */
function isFiltered(forJest) {
  return forJest.some((arg) => arg === "-t" || arg.startsWith("--testNamePattern"));
}

/** @param {string} folder A ring's folder. */
function hasTests(folder) {
  const names = existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: "utf8" }) : [];
  return names.some((name) => name.endsWith(".test.ts"));
}
