import { afterAll, expect, test } from "@jest/globals";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
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

/** Begins a lifetime of that many seconds; returns the process that waits for its end. */
async function begin(seconds: number) {
  const changes: Partial<MachineRecord>[] = [];
  const change = (_: string, one: Partial<MachineRecord>) => Promise.resolve(void changes.push(one));
  const shelf = { change, file: (_: string, name: string) => join(folder, name) } as unknown as Shelf;
  await startLifetime(shelf, "web-1", seconds);
  const expiry = changes.at(-1)?.expiry;
  if (expiry === undefined) throw new Error("it is not on record");
  return expiry;
}

/** Begins a long lifetime; the process that waits for its end, and the one that this has started to wait. */
async function waiting() {
  const expiry = await begin(600);
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

test("where Mayfly is gone when a machine's time is over, podman ends what is left of that one", async () => {
  const { PATH } = process.env;
  const node = process.execPath;
  const asked = join(folder, "asked");
  const text = `#!/bin/sh\necho "$@" >>'${asked}'\n[ "$1" != ps ] || printf 'one\\ntwo\\n'\n`;
  writeFileSync(join(folder, "podman"), text, { mode: 0o755 });
  process.env["PATH"] = [folder, PATH].join(delimiter);
  process.execPath = join(folder, "node, which the checkout brought");
  try {
    const expiry = await begin(1);
    await eventually("its time is over", 30, () => !isAlive(expiry));
  } finally {
    process.env["PATH"] = PATH;
    process.execPath = node;
  }
  const [look, removal, ...more] = readFileSync(asked, "utf8").trimEnd().split("\n");
  expect([look, removal]).toEqual(["ps --all --quiet --filter label=mayfly=web-1", "rm --force --time 0 one two"]);
  expect(more).toEqual([]);
});
