import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { startDetached } from "../../../provider/host/detached";
import { signalProcess } from "../../../provider/host/process-identity";
import { eventually } from "../../support/eventually";

const before = process.env["MAYFLY_HOME"];
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mayfly-detached-"));
});
afterEach(() => {
  if (before === undefined) delete process.env["MAYFLY_HOME"];
  else process.env["MAYFLY_HOME"] = before;
  delete process.env["PULUMI_CONFIG_PASSPHRASE"];
  rmSync(folder, { recursive: true });
});

test("a program that outlives us holds no folder of the user's, nor a secret, and knows the data folder by its whole path", async () => {
  process.env["MAYFLY_HOME"] = "some/place";
  process.env["PULUMI_CONFIG_PASSPHRASE"] = "secret";
  const log = join(folder, "log");
  const text = 'pwd; echo "$MAYFLY_HOME"; echo "${PULUMI_CONFIG_PASSPHRASE-none}"; echo end; exec sleep 60';
  const started = await startDetached("/bin/sh", ["-c", text], log);
  await eventually("it has said all", 10, () => readFileSync(log, "utf8").includes("end"));
  signalProcess(started, "SIGKILL");
  expect(readFileSync(log, "utf8")).toBe(`/\n${join(process.cwd(), "some", "place")}\nnone\nend\n`);
});

test("what a program says on standard error goes apart where that is asked for", async () => {
  const [log, errors] = [join(folder, "log"), join(folder, "errors")];
  const started = await startDetached("/bin/sh", ["-c", "echo bad >&2; echo good; exec sleep 60"], log, errors);
  await eventually("it has said all", 10, () => readFileSync(log, "utf8") === "good\n");
  signalProcess(started, "SIGKILL");
  expect(readFileSync(errors, "utf8")).toBe("bad\n");
});
