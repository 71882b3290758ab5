import * as pulumi from "@pulumi/pulumi";
import * as mayfly from "pulumi-mayfly";

const project = new pulumi.Config().get("project") ?? "project";

const image = new mayfly.Image("debian", { debian: {} });
const vm = new mayfly.VM("ci", {
  image,
  mounts: [{ source: project, target: "/src", readOnly: true }],
  expiresAfter: "1h", // gone by then, whatever becomes of the job
});

// Root of a machine of its own: it may load modules, mount, reboot.
const tests = new mayfly.SshCommand("tests", {
  vm,
  create: "mkdir -p /tmp/results && sh test.sh >/tmp/results/report.tap",
  directory: "/src",
  timeout: "30m",
});
const report = new mayfly.CopyFile(
  "report",
  { vm, remotePath: "/tmp/results/report.tap", download: "report.tap", triggers: [tests.stdout] },
  { dependsOn: [tests] },
);

/** Size of `report.tap`, in bytes. */
export const reportSize = report.size;
/** What the tests had to say beside their report. */
export const log = tests.stdout;
