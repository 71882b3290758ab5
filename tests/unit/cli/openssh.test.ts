import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
import type { Session } from "../../../cli/rooms";
import { pointToDiagnosis, runSsh, type SshCall } from "../../../cli/vms/openssh";
import * as attached from "../../../provider/host/attached";

let folder: string;
let says: string; // ssh(1), in its log, before it ends with 255

// Once: who imports the module while it runs gets what is in it then.
jest.spyOn(attached, "runAttached").mockImplementation((_, args) => {
  appendFileSync(args[args.indexOf("-E") + 1] ?? "", `Authenticated to dev\n${says}`);
  return Promise.resolve(255);
});

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mayfly-openssh-"));
  writeFileSync(join(folder, "ssh_config"), "Host dev\n");
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

async function seenBy(user: Partial<SshCall>): Promise<{ code: number; err: string }> {
  const said: string[] = [];
  const spy = jest.spyOn(process.stderr, "write").mockImplementation((text) => said.push(String(text)) > 0);
  const machines = { file: (_: string, name: string) => join(folder, name) };
  const session = { machines, signal: new AbortController().signal } as unknown as Session;
  try {
    const code = await runSsh("dev-1", { before: ["-T"], after: ["--", "true"], ...user }, session);
    return { code, err: said.join("") };
  } finally {
    spy.mockRestore();
  }
}

test("where a connection breaks it is said how to find out why", async () => {
  says = "Timeout, server dev not responding.\n";
  expect(await seenBy({ onBroken: pointToDiagnosis("dev") })).toEqual({
    code: 255,
    err: "Timeout, server dev not responding.\n  to find out why: mayfly diagnose dev\n",
  });
  expect((await seenBy({})).err).toBe(says); // who tries again does not say so
});

test("a command that ends with the same code of its own is no broken connection", async () => {
  says = "";
  expect(await seenBy({ onBroken: pointToDiagnosis("dev") })).toEqual({ code: 255, err: "" });
});
