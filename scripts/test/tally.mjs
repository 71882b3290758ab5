import { stripVTControlCharacters } from "node:util";

/**
 * What came out of a stage.
 *
 * @typedef {object} Tally
 * @property {number} passed Tests that passed.
 * @property {readonly string[]} failures One line for each that did not.
 * @property {readonly string[]} notes One line for each that this host cannot run and that says so, and for each that
 *   was tried twice, with what went wrong at first.
 */

/**
 * The part of `jest --json` that counts.
 *
 * @typedef {object} JestReport
 * @property {readonly { name: string, message: string, assertionResults: readonly JestTest[] }[]} testResults One for each
 *   file.
 */

/**
 * @typedef {object} JestTest
 * @property {string} fullName With the names of the groups that it is in.
 * @property {string} status In jest's words.
 * @property {readonly string[]} [retryReasons] Errors with their stacks, of each try but the last.
 */

// A test that this host cannot run says in its name what the host lacks: `test.skip("… [host lacks: kvm]")`.
const HOST_LACKS = /\[host lacks: [^\]]+\]/;

/**
 * Sums up a run of jest. A skipped test is a failure, unless its name says what the host lacks: what is not run is not
 * known to work.
 *
 * @param {JestReport} report What `jest --json` wrote.
 * @param {boolean} isFiltered Tests were chosen by name, so that others were skipped on purpose.
 * @returns {Tally} The sum.
 */
export function tallyJest(report, isFiltered) {
  const files = report.testResults;
  const tests = files.flatMap(({ assertionResults }) => assertionResults);
  const unfit = isFiltered ? [] : tests.filter(({ status, fullName }) => isSkip(status) && HOST_LACKS.test(fullName));
  const failed = tests.filter((test) => {
    if (isSkip(test.status)) return !isFiltered && !unfit.includes(test);
    return test.status !== "passed";
  });
  const broken = files.filter(({ assertionResults, message }) => assertionResults.length === 0 && message !== "");
  const passed = tests.filter(({ status }) => status === "passed").length;
  const nothing = tests.length === 0 && broken.length === 0 ? ["no test was run"] : [];
  return {
    passed,
    failures: [
      ...nothing,
      ...broken.map(({ name }) => `${name} could not be run`),
      ...failed.map(({ fullName, status }) => (isSkip(status) ? `${fullName} (${status}, not run)` : fullName)),
    ],
    notes: [
      ...unfit.map(({ fullName }) => `not run: ${fullName}`),
      ...tests.flatMap(({ fullName, retryReasons = [] }) =>
        retryReasons.map((reason) => `tried twice: ${fullName}: ${inOneLine(reason)}`),
      ),
    ],
  };
}

const REASON_LENGTH = 400; // characters

/** @param {string} error With its stack, and colours. */
function inOneLine(error) {
  const [said = ""] = stripVTControlCharacters(error).split(/\n\s+at /);
  return said.replace(/\s+/g, " ").trim().slice(0, REASON_LENGTH);
}

/** @param {string} status Of a test, in jest's words. */
function isSkip(status) {
  return status === "pending" || status === "skipped" || status === "todo" || status === "disabled";
}

/**
 * The lines that end a run, the sum last.
 *
 * @param {readonly (Tally & { stage: string, took: string })[]} tallies One for each stage.
 * @returns {readonly string[]} What to print.
 */
export function summary(tallies) {
  const passed = tallies.reduce((sum, tally) => sum + tally.passed, 0);
  const failed = tallies.reduce((sum, { failures }) => sum + failures.length, 0);
  const stages = tallies.map(({ stage, passed: good, failures, took }) => {
    return `${stage}: ${good} passed, ${failures.length} failed (${took})`;
  });
  const notes = tallies.flatMap(({ stage, notes: lines }) => lines.map((line) => `${stage}: ${line}`));
  const failures = tallies.flatMap(({ stage, failures: lines }) => lines.map((line) => `FAILED ${stage}: ${line}`));
  return ["", ...stages, ...notes, ...failures, `${passed} passed, ${failed} failed`];
}
