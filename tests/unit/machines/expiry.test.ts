import { afterAll, test } from "@jest/globals";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isAlive } from "../../../provider/host/process-identity";
import { startLifetime, stopExpiry } from "../../../provider/machines/expiry";
import type { MachineRecord } from "../../../provider/machines/record";
import type { Shelf } from "../../../provider/machines/shelf";
import { eventually } from "../../support/eventually";
import { childrenOf } from "../../support/proc";

const folder = mkdtempSync(join(tmpdir(), "mayfly-expiry-"));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Name of a process's program; `undefined` when it has ended. */
function nameOf(pid: number): string | undefined {
  const file = `/proc/${String(pid)}/comm`;
  return existsSync(file) ? readFileSync(file, "utf8").trim() : undefined;
}

/** Begins a lifetime; the process that waits for its end, and the one that this has started to wait. */
async function waiting() {
  const changes: Partial<MachineRecord>[] = [];
  const change = (_: string, one: Partial<MachineRecord>) => Promise.resolve(void changes.push(one));
  const shelf = { change, file: (_: string, name: string) => join(folder, name) } as unknown as Shelf;
  await startLifetime(shelf, "web-1", 600);
  const expiry = changes.at(-1)?.expiry;
  if (expiry === undefined) throw new Error("it is not on record");
  const sleeper = () => childrenOf(expiry.pid)[0] ?? 0;
  await eventually("it waits", 30, () => nameOf(sleeper()) === "sleep"); // before that it is not bound to its parent yet
  return { expiry, sleeper: sleeper() };
}

test.each([
  ["is stopped", "SIGTERM"],
  ["is killed", "SIGKILL"],
] as const)("what waits for a machine's end leaves nothing when it %s", async (_, signal) => {
  const { expiry, sleeper } = await waiting();
  if (signal === "SIGTERM") stopExpiry(expiry);
  else process.kill(expiry.pid, signal);
  try {
    await eventually("the one has ended", 30, () => !isAlive(expiry));
    await eventually("and the other with it", 30, () => nameOf(sleeper) !== "sleep");
  } finally {
    if (nameOf(sleeper) === "sleep") process.kill(sleeper);
  }
});
