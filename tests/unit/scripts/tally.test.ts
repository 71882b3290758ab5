import { expect, test } from "@jest/globals";

const tally = import("../../../scripts/test/tally.mjs");
const stages = import("../../../scripts/test/stages.mjs");

const file = (...tests: [fullName: string, status: string][]) => ({
  name: "/clone/tests/unit/a.test.ts",
  message: "",
  assertionResults: tests.map(([fullName, status]) => ({ fullName, status })),
});
const none = { passed: 0, failures: [], notes: [] };

test("passed and failed tests are counted, failed ones named", async () => {
  const report = { testResults: [file(["a", "passed"], ["b", "failed"]), file(["c", "passed"])] };
  expect((await tally).tallyJest(report, false)).toEqual({ ...none, passed: 2, failures: ["b"] });
});

test("a skipped test is a failure", async () => {
  const report = { testResults: [file(["a", "passed"], ["b", "pending"], ["c", "todo"])] };
  const failures = ["b (pending, not run)", "c (todo, not run)"];
  expect((await tally).tallyJest(report, false)).toEqual({ ...none, passed: 1, failures });
});

test("a skipped test that says what the host lacks is a note", async () => {
  const report = { testResults: [file(["a", "passed"], ["boots [host lacks: kvm]", "pending"])] };
  const notes = ["not run: boots [host lacks: kvm]"];
  expect((await tally).tallyJest(report, false)).toEqual({ ...none, passed: 1, notes });
});

test("a test that passed at its second try is a note, with what went wrong at the first", async () => {
  const flaky = {
    fullName: "boots",
    status: "passed",
    retryReasons: ["\u001b[31mError: no\u001b[39m\n\n  VM\n    at a.ts:1"],
  };
  const report = { testResults: [{ ...file(), assertionResults: [flaky] }] };
  expect((await tally).tallyJest(report, false)).toEqual({
    ...none,
    ...{ passed: 1, notes: ["tried twice: boots: Error: no VM"] },
  });
});

test("a failed test stays a failure whatever its name says", async () => {
  const report = { testResults: [file(["boots [host lacks: kvm]", "failed"])] };
  expect((await tally).tallyJest(report, false)).toEqual({ ...none, failures: ["boots [host lacks: kvm]"] });
});

test("tests that were left out by name are no failures", async () => {
  const report = { testResults: [file(["a", "passed"], ["b", "pending"])] };
  expect((await tally).tallyJest(report, true)).toEqual({ ...none, passed: 1 });
});

test("a file that cannot be run, or no test at all, is a failure", async () => {
  const { tallyJest } = await tally;
  const broken = { ...file(), message: "SyntaxError" };
  expect(tallyJest({ testResults: [broken] }, false).failures).toEqual([`${broken.name} could not be run`]);
  expect(tallyJest({ testResults: [] }, false).failures).toEqual(["no test was run"]);
});

test("the sum is the last line", async () => {
  const { summary } = await tally;
  const lines = summary([
    { stage: "lint", took: "3.0 s", passed: 1, failures: [], notes: [] },
    { stage: "unit", took: "1.0 s", passed: 2, failures: ["b"], notes: ["not run: c"] },
  ]);
  expect(lines).toEqual([
    "",
    "lint: 1 passed, 0 failed (3.0 s)",
    "unit: 2 passed, 1 failed (1.0 s)",
    "unit: not run: c",
    "FAILED unit: b",
    "3 passed, 1 failed",
  ]);
});

test.each([
  [[], ["typecheck", "lint", "unit", "contract", "e2e"], []],
  [["unit"], ["unit"], []],
  [["e2e", "contract"], ["contract", "e2e"], []],
  [["unit", "-t", "e2e"], ["unit"], ["-t", "e2e"]],
])("npm test -- %j", async (args, names, forJest) => {
  const read = (await stages).readArguments(args);
  expect(read.stages.map(({ name }) => name)).toEqual(names);
  expect(read.forJest).toEqual(forJest);
});

test("scripts run beside the ring with the VMs, after the short ones; what is not chosen does not run", async () => {
  const { STAGES, inTurn } = await stages;
  const names = (chosen: readonly string[]) =>
    inTurn(STAGES.filter(({ name }) => chosen.includes(name))).map((lanes) =>
      lanes.map((lane) => lane.map(({ name }) => name)),
    );
  expect(names(["typecheck", "lint", "unit", "contract", "e2e"])).toEqual([
    [["unit", "contract"]],
    [["e2e"], ["typecheck", "lint"]],
  ]);
  expect(names(["lint", "e2e"])).toEqual([[["e2e"], ["lint"]]]);
  expect(names(["unit"])).toEqual([[["unit"]]]);
});
