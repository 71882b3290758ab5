import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { run } from "../../../provider/host/run";
import { toolError, toolMissing } from "../../../provider/host/tool-error";
import { failureOf } from "../../support/context";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mayfly-tool-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const signal = AbortSignal.timeout(20_000);

test("a program that may not be run says so, not that it has failed with no exit code", async () => {
  const file = join(folder, "podman");
  writeFileSync(file, "#!/bin/sh\n", { mode: 0o600 });
  const error = await failureOf(run(file, [], { signal }));
  expect(error).toMatchObject({ code: "TOOL_FAILED", evidence: `spawn ${file} EACCES` });
  expect(error.message).toMatch(/podman could not be started\n[^]*To fix: let this user run it/);
});

test("one that gets more than the kernel passes on, likewise", async () => {
  const error = await failureOf(run("true", ["x".repeat(4_194_304)], { signal }));
  expect(error).toMatchObject({ evidence: "spawn E2BIG", remedy: expect.stringContaining("env | wc -c") });
});

test("one that is to start in a folder that there is not names the folder, not the program", async () => {
  const directory = join(folder, "gone away");
  const error = await failureOf(run("true", [], { signal, directory }));
  expect(error).toMatchObject({ code: "NOT_FOUND", remedy: `ls -ld '${directory}'` });
  expect(error.message).toContain(`true could not be started in ${directory}`);
  expect(await failureOf(run("nowhere-to-be-found", [], { signal, directory: folder }))).toMatchObject({
    code: "TOOL_MISSING",
  });
});

test.each([
  ["EAGAIN", "ulimit -u"],
  ["EMFILE", "ulimit -n"],
  ["EIO", "run the same by hand"],
])("one that could not be started for %s has a remedy of its own", (code, remedy) => {
  const error = toolError("podman", { code, stderr: "", originalMessage: `spawn podman ${code}` });
  expect(error).toMatchObject({ evidence: `spawn podman ${code}`, remedy: expect.stringContaining(remedy) });
});

test("one that has run and failed says how, and what it has said", async () => {
  const file = join(folder, "tool");
  writeFileSync(file, "#!/bin/sh\necho broken >&2\nexit 3\n");
  chmodSync(file, 0o700);
  const error = await failureOf(run(file, [], { signal }));
  expect(error.message).toMatch(/tool failed with exit code 3\nbroken\nTo fix: run the same by hand/);
});

test.each([
  ["mke2fs", "e2fsprogs"],
  ["/usr/sbin/mke2fs", "e2fsprogs"],
  ["qemu-img", "qemu-utils"],
  ["xz", "xz-utils"],
  ["strange", "strange"],
])("%s is in the package %s", (file, name) => {
  expect(toolMissing(file).remedy).toMatch(new RegExp(`^sudo apt-get install ${name} `));
});
