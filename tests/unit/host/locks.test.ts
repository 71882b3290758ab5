import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, symlinkSync, utimesSync } from "node:fs";
import { lutimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { isLocked, removeDeadLocks, removeIfDead, withLock } from "../../../provider/host/locks";
import { identifyProcess, identifySelf, type ProcessIdentity } from "../../../provider/host/process-identity";
import { failureOf } from "../../support/context";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mayfly-unit-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

test("one at a time, and nothing stays of a lock that was given back", async () => {
  const signal = AbortSignal.timeout(10_000);
  const steps: string[] = [];
  const work = async (name: string) => {
    steps.push(`${name} begins`);
    expect(readdirSync(folder)).toEqual(["a_thing.lock"]);
    await new Promise(setImmediate);
    steps.push(`${name} ends`);
  };
  await Promise.all(["one", "two"].map((name) => withLock(folder, "a thing", signal, () => work(name))));
  const [first = "", , second = ""] = steps.map((step) => step.split(" ")[0] ?? "");
  expect(steps).toEqual([`${first} begins`, `${first} ends`, `${second} begins`, `${second} ends`]);
  expect(readdirSync(folder)).toEqual([]);
});

test("a name may be longer than a file's may be, and is told from others that begin like it", async () => {
  const signal = AbortSignal.timeout(10_000);
  const long = `pull localhost/${"a".repeat(300)}`;
  await withLock(folder, `${long}1`, signal, () =>
    withLock(folder, `${long}2`, signal, async () => {
      expect(readdirSync(folder)).toHaveLength(2);
      expect(await isLocked(folder, `${long}1`)).toBe(true);
      expect(await isLocked(folder, `${long}3`)).toBe(false);
    }),
  );
  expect(readdirSync(folder)).toEqual([]);
});

test("who waits for too long is told which lock it is", async () => {
  await withLock(folder, "a thing", AbortSignal.timeout(10_000), async () => {
    const late = withLock(folder, "a thing", AbortSignal.timeout(50), () => Promise.resolve());
    expect(await failureOf(late)).toMatchObject({
      code: "LOCK_TIMEOUT",
      message: expect.stringContaining(
        `end it (process ${String(process.pid)}); the lock ${join(folder, "a_thing")}.lock is free at once`,
      ) as unknown,
    });
  });
});

/** A lock as its holder has made it. */
const held = (by: ProcessIdentity | undefined) => {
  symlinkSync([by?.pid, by?.startTime, by?.bootId, "0"].join(":"), join(folder, "a_thing.lock"));
};

test("a lock is its holder's as long as that lives, though it is stopped and the lock is a day old", async () => {
  const holder = spawn("sleep", ["1000"]);
  try {
    await once(holder, "spawn");
    holder.kill("SIGSTOP");
    held(identifyProcess(holder.pid ?? 0));
    const dayAgo = Date.now() / 1_000 - 86_400;
    await lutimes(join(folder, "a_thing.lock"), dayAgo, dayAgo);
    const other = withLock(folder, "a thing", AbortSignal.timeout(300), () => Promise.resolve("got it"));
    expect(await failureOf(other)).toMatchObject({ code: "LOCK_TIMEOUT" });
  } finally {
    holder.kill("SIGKILL");
  }
  await once(holder, "exit");
  expect(await withLock(folder, "a thing", AbortSignal.timeout(10_000), () => Promise.resolve("got it"))).toBe(
    "got it",
  );
  expect(readdirSync(folder)).toEqual([]);
});

test.each([
  ["is dead", { startTime: "1" }],
  ["lived before the host's last boot", { bootId: "another" }],
])("the lock of a holder that %s is free at once, for one at a time", async (_, change) => {
  held({ ...identifySelf(), ...change });
  let inside = 0;
  const signal = AbortSignal.timeout(20_000);
  const work = async () => {
    expect(++inside).toBe(1);
    await sleep(5, undefined, { signal });
    inside--;
  };
  await Promise.all(Array.from({ length: 8 }, () => withLock(folder, "a thing", signal, work)));
  expect(readdirSync(folder)).toEqual([]);
});

test("who died while it removed the lock of a dead one is in nobody's way", async () => {
  const dead = { ...identifySelf(), startTime: "1" };
  held(dead);
  const text = readlinkSync(join(folder, "a_thing.lock"));
  const guard = createHash("sha256").update(text).digest("hex").slice(0, 16);
  symlinkSync(`${text}1`, join(folder, `a_thing.lock.${guard}`));
  expect(await withLock(folder, "a thing", AbortSignal.timeout(10_000), () => Promise.resolve("got it"))).toBe(
    "got it",
  );
  expect(readdirSync(folder)).toEqual([]);
});

test("a lock of a former version is free when its holder has not touched it for a while", async () => {
  const path = join(folder, "a_thing.lock");
  mkdirSync(path);
  const take = (ms: number) => withLock(folder, "a thing", AbortSignal.timeout(ms), () => Promise.resolve("got it"));
  expect(await failureOf(take(300))).toMatchObject({ code: "LOCK_TIMEOUT" });
  const minuteAgo = Date.now() / 1_000 - 60;
  utimesSync(path, minuteAgo, minuteAgo);
  expect(await take(10_000)).toBe("got it");
  expect(readdirSync(folder)).toEqual([]);
});

test("locks of killed holders are swept away, never one that somebody holds", async () => {
  const link = (name: string, by: ProcessIdentity) => {
    symlinkSync([by.pid, by.startTime, by.bootId, "0"].join(":"), join(folder, name));
  };
  const dead = { ...identifySelf(), startTime: "1" };
  for (const name of ["agent-a.lock", "power-a.lock", "vm-a.lock.0123456789abcdef"]) link(name, dead);
  link("vm-b.lock", identifySelf());
  await removeIfDead(folder, "agent-a");
  await removeIfDead(folder, "agent-a");
  await removeIfDead(folder, "vm-b");
  expect(readdirSync(folder).sort()).toEqual(["power-a.lock", "vm-a.lock.0123456789abcdef", "vm-b.lock"]);
  await removeDeadLocks(folder);
  expect(readdirSync(folder)).toEqual(["vm-b.lock"]);
});
