import { expect, test } from "@jest/globals";
import type { Context } from "../../../provider/context";
import { identifySelf } from "../../../provider/host/process-identity";
import type { MachineRecord } from "../../../provider/machines/record";
import { isDoubtful, leftover, reap, reapBeside } from "../../../provider/reap";

const record = (phase: MachineRecord["phase"], expiresAt?: number): MachineRecord => ({
  ...{ owner: { project: "p", stack: "s", resource: "r" }, phase, createdAt: 0 },
  madeBy: { pid: 1, startTime: "1", bootId: "b" },
  ...(expiresAt === undefined ? {} : { expiresAt }),
});

test.each([
  ["half made, maker at work", record("starting"), false, true, true, undefined],
  ["half made, maker dead", record("starting"), false, false, false, /died before/],
  ["finished, Pulumi never heard of it, its resource is made again", record("ready"), false, true, false, /could note/],
  ["finished, Pulumi never heard of it, another resource is made", record("ready"), false, false, false, undefined],
  ["finished, and Pulumi names it", record("ready"), true, true, false, undefined],
  [
    "committed, of the same resource: the one that is being replaced",
    record("committed"),
    false,
    true,
    false,
    undefined,
  ],
  ["half made, maker at work, and its time over on record", record("starting", 5), false, true, true, undefined],
  ["half made, maker dead, and its time over", record("starting", 5), false, true, false, /time was over/],
  ["finished, and its time is over", record("ready", 5), true, true, true, /time was over/],
  ["committed, but its time is over", record("committed", 5), true, true, false, /time was over/],
])("%s", (_, machine, known, ownersNext, makerAlive, expected) => {
  const reason = leftover(machine, 10, known, ownersNext, makerAlive);
  if (expected === undefined) expect(reason).toBeUndefined();
  else expect(reason).toMatch(expected);
});

test("what was made for a session goes when that has ended, also where it was finished", () => {
  const gone = { pid: 1, startTime: "1", bootId: "b" };
  const machine = { ...record("committed"), owner: { project: "", stack: "", resource: "r", session: gone } };
  expect(leftover(machine, 10, true, false, true)).toMatch(/session has ended/);
});

test("what has a record that can't be read is told of, and not removed: it may be another stack's", async () => {
  const removed: string[] = [];
  const room = (spoilt: string[]) => ({
    list: () => Promise.resolve(new Map([["half", record("starting")]])),
    unreadable: () => Promise.resolve(spoilt),
    remove: (id: string) => Promise.resolve(removed.push(id)),
  });
  const said: string[] = [];
  await reap({
    ...{ machines: room(["web-1"]), networks: room([]), owner: record("ready").owner, known: new Set<string>() },
    ...{ signal: AbortSignal.timeout(10_000), say: (text: string) => said.push(text) },
  } as unknown as Context);
  expect(removed).toEqual(["half", "half"]);
  expect(said.filter((text) => text.startsWith("warning"))).toEqual([
    "warning: the record of web-1 cannot be read; what is left of it goes with: mayfly prune",
  ]);
});

test("finished by a run that was killed, and named by none since: only its stack can tell whose it is", () => {
  expect(isDoubtful(record("ready"))).toBe(true);
  expect(isDoubtful(record("committed"))).toBe(false);
  expect(isDoubtful({ ...record("ready"), madeBy: identifySelf() })).toBe(false);
  expect(isDoubtful({ ...record("ready"), owner: { project: "", stack: "", resource: "dev" } })).toBe(false);
});

test("what cannot be removed does not fail the removal of another thing", async () => {
  const said: string[] = [];
  const room = {
    list: () => Promise.resolve(new Map([["half", record("starting")]])),
    unreadable: () => Promise.resolve([]),
    remove: () => Promise.reject(new Error("podman does not answer")),
  };
  const context = {
    ...{ machines: room, networks: room, owner: record("ready").owner, known: new Set<string>() },
    ...{ signal: AbortSignal.timeout(10_000), say: (text: string) => said.push(text) },
  } as unknown as Context;
  await reapBeside(context);
  expect(said.at(-1)).toBe("warning: what a crash has left could not be removed: podman does not answer");
  await expect(reap(context)).rejects.toThrow("podman does not answer");
});
