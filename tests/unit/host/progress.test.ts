import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
import { step } from "../../../provider/host/progress";

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

const after = async (ms: number) => {
  const said: string[] = [];
  let end: () => void = () => undefined;
  const working = new Promise<void>((resolve) => (end = resolve));
  const stepping = step(
    (text) => said.push(text),
    "Booting",
    () => working,
  );
  await jest.advanceTimersByTimeAsync(ms);
  end();
  await stepping;
  await jest.advanceTimersByTimeAsync(120_000);
  return said;
};

test("a quick step passes without a word", async () => {
  expect(await after(900)).toEqual([]);
});

test("a longer one is told of every ten seconds, after a minute every thirty, and when it is done", async () => {
  const every = ["10.0", "20.0", "30.0", "40.0", "50.0", "60.0", "90.0", "120.0"];
  const lines = every.map((seconds) => `Booting… ${seconds} s`);
  expect(await after(125_000)).toEqual(["Booting…", ...lines, "Booting: done in 125.0 s"]);
});
