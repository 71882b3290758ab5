/**
 * One part of `npm test`.
 *
 * @typedef {object} Stage
 * @property {string} name What it is chosen by: `npm test -- unit`.
 * @property {string} [script] The npm script that it runs; counts as one test.
 * @property {string} [tests] The folder whose tests jest runs.
 * @property {readonly string[]} [jest] Arguments for jest.
 * @property {boolean} [hasVMs] Its tests have real VMs.
 * @property {number} deadlineMinutes When it is taken for hung, ended, and counted as failed.
 */

/** All of them; when which one runs: {@link inTurn}. @type {readonly Stage[]} */
export const STAGES = [
  { name: "typecheck", script: "typecheck", deadlineMinutes: 10 },
  { name: "lint", script: "lint", deadlineMinutes: 10 },
  // Four files at a time: they wait for deadlines, and for servers, as long as they work.
  { name: "unit", tests: "tests/unit", jest: ["--maxWorkers=4", "--testTimeout=60000"], deadlineMinutes: 10 },
  { name: "contract", tests: "tests/contract", jest: ["--maxWorkers=2", "--testTimeout=60000"], deadlineMinutes: 10 },
  // Three at a time on two cores: a test waits, for its guest or for Pulumi, about as long as it works itself.
  {
    ...{ name: "e2e", hasVMs: true },
    tests: "tests/e2e",
    jest: [
      "--setupFilesAfterEnv=<rootDir>/tests/support/retry-once.ts",
      ...["--maxWorkers=3", "--testTimeout=600000"],
      ...["--testSequencer=<rootDir>/scripts/test/longest-first.mjs"],
    ],
    deadlineMinutes: 60, // on a slow day a machine takes three times as long as on others
  },
];

/**
 * Reads the arguments of `npm test --`: stages first, all of them when none is named, then arguments for jest.
 *
 * @param {readonly string[]} args What came after `--`.
 * @returns {{ stages: readonly Stage[], forJest: readonly string[] }} What to run.
 */
export function readArguments(args) {
  const names = STAGES.map(({ name }) => name);
  const first = args.findIndex((arg) => !names.includes(arg));
  const chosen = first === -1 ? args : args.slice(0, first);
  const stages = STAGES.filter(({ name }) => chosen.length === 0 || chosen.includes(name));
  return { stages, forJest: first === -1 ? [] : args.slice(first) };
}

/**
 * What runs when: the short rings of tests first, and then the ring with the VMs, with npm scripts in what it leaves of the
 * host. (Tests beside it would cost more than they save: an emulated CPU that has to wait for one of the host's keeps
 * others busy with waiting for it.)
 *
 * @param {readonly Stage[]} stages In order.
 * @returns {readonly (readonly (readonly Stage[])[])[]} One group after the other; of each its lanes, side by side; in each
 *   lane one stage after the other.
 */
export function inTurn(stages) {
  const scripts = stages.filter(({ script }) => script !== undefined);
  const short = stages.filter(({ tests, hasVMs }) => tests !== undefined && hasVMs !== true);
  const long = stages.filter(({ hasVMs }) => hasVMs === true);
  const groups = [[short], [long, scripts]].map((lanes) => lanes.filter((lane) => lane.length > 0));
  return groups.filter((lanes) => lanes.length > 0);
}

/** Of npm scripts, so that they only get what the tests beside them leave of the host: nice(1). */
export const LOWEST_PRIORITY = 19;
