import { afterAll, expect, test } from "@jest/globals";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startLifetime, stopExpiry } from "../../../provider/machines/expiry";
import type { MachineRecord } from "../../../provider/machines/record";
import type { Shelf } from "../../../provider/machines/shelf";
import { eventually } from "../../support/eventually";
import { childrenOf } from "../../support/proc";

const folder = mkdtempSync(join(tmpdir(), "mayfly-expiry-"));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Begins a lifetime; the process that waits for its end, and the one that this has started to wait. */
async function waiting() {
  const changes: Partial<MachineRecord>[] = [];
  const change = (_: string, one: Partial<MachineRecord>) => Promise.resolve(void changes.push(one));
  const shelf = { change, file: (_: string, name: string) => join(folder, name) } as unknown as Shelf;
  await startLifetime(shelf, "web-1", 600);
  const expiry = changes.at(-1)?.expiry;
  if (expiry === undefined) throw new Error("it is not on record");
  await eventually("it waits", 30, () => childrenOf(expiry.pid).length === 1);
  return { expiry, sleeper: childrenOf(expiry.pid)[0] ?? 0 };
}

test.each([
  ["is stopped", "SIGTERM"],
  ["is killed", "SIGKILL"],
] as const)("what waits for a machine's end leaves nothing when it %s", async (_, signal) => {
  const { expiry, sleeper } = await waiting();
  if (signal === "SIGTERM") stopExpiry(expiry);
  else process.kill(expiry.pid, signal);
  const exists = (pid: number) => existsSync(`/proc/${String(pid)}`);
  await eventually("both have ended", 30, () => !exists(expiry.pid) && !exists(sleeper));
  expect(childrenOf(expiry.pid)).toEqual([]);
});
