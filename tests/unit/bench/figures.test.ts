import { expect, test } from "@jest/globals";
import { median } from "../../../bench/figures";
import { busySeconds } from "../../../bench/host";

test.each([
  [[3, 1, 2], 2],
  [[4, 1, 2, 3], 2.5],
  [[3, NaN, 1, 2], 2],
  [[NaN, NaN, 5], 5],
  [[NaN], NaN],
  [[], NaN],
])("the median of %j is %d", (values, middle) => {
  expect(median(values)).toBe(middle);
});

test("busy is all but idle and waiting for a disk, and what other hosts take", () => {
  expect(busySeconds("cpu  100 20 300 90000 8000 4 5 6 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n")).toBe(4.35);
});
