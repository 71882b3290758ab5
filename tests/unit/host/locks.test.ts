import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { withLock } from "../../../provider/host/locks";
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

test("who waits for too long is told which lock it is", async () => {
  await withLock(folder, "a thing", AbortSignal.timeout(10_000), async () => {
    const late = withLock(folder, "a thing", AbortSignal.timeout(50), () => Promise.resolve());
    expect(await failureOf(late)).toMatchObject({
      code: "LOCK_TIMEOUT",
      message: expect.stringContaining(`the lock ${join(folder, "a_thing")}.lock frees itself`) as unknown,
    });
  });
});
