import { expect, test } from "@jest/globals";
import { compare, holdsUnknown } from "../../../provider/engine/unknowns";

const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

test.each<[unknown, unknown, string]>([
  [1, 1, "same"],
  [1, "1", "different"],
  [undefined, undefined, "same"],
  [undefined, UNKNOWN, "unknown"],
  ["a", UNKNOWN, "unknown"],
  [{ a: 1, b: [1, 2] }, { b: [1, 2], a: 1 }, "same"],
  [{ a: 1 }, { a: 1, b: undefined }, "same"],
  [{ a: 1 }, { a: 1, b: 2 }, "different"],
  [[1, 2], [2, 1], "different"],
  [[1, 2], [1], "different"],
  [[], {}, "different"],
  [null, {}, "different"],
  [{ a: 1, b: 2 }, { a: UNKNOWN, b: 2 }, "unknown"],
  [{ a: 1, b: 2 }, { a: UNKNOWN, b: 3 }, "different"],
  [[{ a: 1 }], [{ a: UNKNOWN }, { a: UNKNOWN }], "different"], // one more than before, whatever it is
])("%j to %j is %s", (old, next, result) => {
  expect(compare(old, next)).toBe(result);
});

test("an unknown value is found at any depth", () => {
  expect(holdsUnknown({ a: [{ b: UNKNOWN }] })).toBe(true);
  expect(holdsUnknown({ a: [{ b: `${UNKNOWN}?` }], c: null })).toBe(false);
});
