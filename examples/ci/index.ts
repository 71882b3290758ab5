import * as pulumi from "@pulumi/pulumi";
import * as mayfly from "pulumi-mayfly";

const project = new pulumi.Config().get("project") ?? "project";

const image = new mayfly.Image("debian", { debian: {} });
const vm = new mayfly.VM("ci", {
  image,
  mounts: [{ source: project, target: "/src", readOnly: true }],
  expiresAfter: "1h", // gone by then, whatever becomes of the job
});

// Root of a machine of its own: the tests may load modules, mount, reboot. How they end is only looked at below, as the
// report is wanted most when they fail.
const tests = new mayfly.SshCommand("tests", {
  vm,
  create: "mkdir -p /tmp/results && { sh test.sh >/tmp/results/report.tap; echo $? >/tmp/results/status; }",
  directory: "/src",
  timeout: "30m",
});
const report = new mayfly.CopyFile(
  "report",
  { vm, remotePath: "/tmp/results/report.tap", download: "report.tap", triggers: [tests.durationSeconds] },
  { dependsOn: [tests] },
);
const verdict = new mayfly.SshCommand(
  "verdict",
  {
    vm,
    create: "cat report.tap; exit $(cat status)",
    directory: "/tmp/results",
    triggers: [tests.durationSeconds], // again after each run of the tests
  },
  { dependsOn: [report] },
);

/** The tests' report, as in `report.tap`. */
export const results = verdict.stdout;
/** What the tests had to say beside their report. */
export const log = tests.stderr;
