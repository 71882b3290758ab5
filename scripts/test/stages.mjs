/**
 * One part of `npm test`.
 *
 * @typedef {object} Stage
 * @property {string} name What it is chosen by: `npm test -- unit`.
 * @property {string} [script] The npm script that it runs; counts as one test.
 * @property {string} [tests] The folder whose tests jest runs.
 * @property {readonly string[]} [jest] Arguments for jest.
 * @property {number} deadlineMinutes When it is taken for hung, ended, and counted as failed.
 */

/** All of them, in order: what fails in seconds comes first. @type {readonly Stage[]} */
export const STAGES = [
  { name: "typecheck", script: "typecheck", deadlineMinutes: 10 },
  { name: "lint", script: "lint", deadlineMinutes: 10 },
  // Four files at a time: they wait for deadlines, and for servers, as long as they work.
  { name: "unit", tests: "tests/unit", jest: ["--maxWorkers=4", "--testTimeout=60000"], deadlineMinutes: 10 },
  { name: "contract", tests: "tests/contract", jest: ["--maxWorkers=2", "--testTimeout=60000"], deadlineMinutes: 10 },
  // Two at a time: a test waits for its guest about as long as it works itself. With three the guests' CPUs wait for
  // each other so long that nothing is won.
  {
    name: "e2e",
    tests: "tests/e2e",
    jest: [
      "--setupFilesAfterEnv=<rootDir>/tests/support/retry-once.ts",
      ...["--maxWorkers=2", "--testTimeout=600000"],
      ...["--testSequencer=<rootDir>/scripts/test/longest-first.mjs"],
    ],
    deadlineMinutes: 30,
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
 * What runs at the same time: npm scripts, each of which keeps one core busy. A ring of tests is alone.
 *
 * @param {readonly Stage[]} stages In order.
 * @returns {readonly (readonly Stage[])[]} One group after the other.
 */
export function inTurn(stages) {
  const scripts = stages.filter(({ script }) => script !== undefined);
  const rings = stages.filter(({ tests }) => tests !== undefined);
  return [...(scripts.length > 0 ? [scripts] : []), ...rings.map((ring) => [ring])];
}
