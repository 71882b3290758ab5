import { availableParallelism } from "node:os";
import { expect, test } from "@jest/globals";
import { Admission } from "../../../provider/machines/admission";
import type { Progress } from "../../../provider/machines/plan";

const SLOTS = 2 * availableParallelism();

/** A caller that notes which steps it was shown. */
function caller(signal = AbortSignal.timeout(20_000)): Progress & { readonly steps: string[] } {
  const steps: string[] = [];
  return {
    ...{ steps, signal },
    say: () => undefined,
    step: async (title, work) => {
      steps.push(title);
      return work();
    },
  };
}

/** Work that goes on until it is told to end. */
function openEnded() {
  let end: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => (end = resolve));
  return { end, ended };
}

test("as many start at a time as the host can take, the others after them in their order", async () => {
  const admission = new Admission();
  const begun: number[] = [];
  const gates = Array.from({ length: SLOTS + 2 }, openEnded);
  const all = gates.map(async ({ ended }, index) =>
    admission.inTurn(512, caller(), async () => {
      begun.push(index);
      await ended;
      return index;
    }),
  );
  await Promise.resolve(); // all have asked
  const first = gates.slice(0, SLOTS).map((_, index) => index);
  await new Promise(setImmediate);
  expect(begun).toEqual(first);
  gates[1]?.end();
  await all[1];
  await new Promise(setImmediate);
  expect(begun).toEqual([...first, SLOTS]);
  for (const { end } of gates) end();
  expect(await Promise.all(all)).toEqual([...first, SLOTS, SLOTS + 1]);
});

test("one that fails makes place for the next, and its error is the caller's", async () => {
  const admission = new Admission();
  const failing = Array.from({ length: SLOTS }, async () =>
    admission.inTurn(512, caller(), () => Promise.reject(new Error("no qemu"))),
  );
  const next = admission.inTurn(512, caller(), () => Promise.resolve("up"));
  for (const one of failing) await expect(one).rejects.toThrow("no qemu");
  expect(await next).toBe("up");
});

test("one whose caller has given up while it waited does not start", async () => {
  const admission = new Admission();
  const gates = Array.from({ length: SLOTS }, openEnded);
  const running = gates.map(async ({ ended }) => admission.inTurn(512, caller(), () => ended));
  const cancel = new AbortController();
  const late = admission.inTurn(512, caller(cancel.signal), () => Promise.reject(new Error("it started")));
  cancel.abort(new Error("cancelled"));
  for (const { end } of gates) end();
  await expect(late).rejects.toThrow("cancelled");
  await Promise.all(running);
});

test("without memory it waits, says so, and gives up with what was seen", async () => {
  const admission = new Admission({ availableMiB: () => 100 });
  const waiting = caller(AbortSignal.timeout(100));
  const none = admission.inTurn(512, waiting, () => Promise.reject(new Error("it started")));
  await expect(none).rejects.toThrow(/100 MiB are available, 384 are needed at once/);
  expect(waiting.steps).toContain("Waiting for memory of this host");
});

test("what others were promised is not there for the next", async () => {
  let available = 700; // one has 256 and a reserve of 128; a second one would have too little
  const admission = new Admission({ availableMiB: () => available, intervalMs: 1 });
  const first = openEnded();
  const one = admission.inTurn(1_024, caller(), () => first.ended);
  const waiting = caller();
  available = 500;
  const two = admission.inTurn(1_024, waiting, () => Promise.resolve("second"));
  await new Promise(setImmediate);
  expect(waiting.steps).toContain("Waiting for memory of this host");
  first.end();
  await one;
  expect(await two).toBe("second");
});

test("what can wait is done when nothing starts or waits any more, before the last one is said to be up", async () => {
  const admission = new Admission();
  const done: string[] = [];
  const gates = Array.from({ length: SLOTS + 1 }, openEnded);
  const all = gates.map(async ({ ended }, index) =>
    admission.inTurn(512, caller(), async () => {
      await ended;
      await admission.later(() => Promise.resolve(void done.push(`after ${String(index)}`)));
      if (index === 1) await admission.later(() => Promise.reject(new Error("its guest is gone")));
    }),
  );
  for (const { end } of gates.slice(0, -1)) end();
  await Promise.all(all.slice(0, -1));
  expect(done).toEqual([]);
  gates.at(-1)?.end();
  await all.at(-1);
  expect(done).toEqual(gates.map((_, index) => `after ${String(index)}`));
  await admission.later(() => Promise.resolve(void done.push("at once")));
  expect(done.at(-1)).toBe("at once");
});
