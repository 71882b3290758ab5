import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "@jest/globals";
import { afterSeconds, timerMs } from "../../../provider/timers";

test.each([
  [0.0001, 1],
  [1.5, 1_500],
  [24 * 86_400, 2_073_600_000],
  [30 * 86_400, 2_147_483_647],
])("%p seconds are a timer of %p ms", (seconds, ms) => {
  expect(timerMs(seconds)).toBe(ms);
});

test.each([30, 50])("what may take %p days is not over at once, nor refused", async (days) => {
  const signal = afterSeconds(days * 86_400);
  await sleep(20); // Node would fire after one
  expect(signal.aborted).toBe(false);
});
