import { expect, test } from "@jest/globals";

const ids = import("../../../scripts/setup/subordinate-ids.mjs");

test("a range counts by name or by id, and only when it is large enough", async () => {
  const { hasRange } = await ids;
  expect(hasRange("ada:100000:65536\n", "ada", 1000)).toBe(true);
  expect(hasRange("1000:100000:65536\n", "ada", 1000)).toBe(true);
  expect(hasRange("ada:100000:1000\n", "ada", 1000)).toBe(false);
  expect(hasRange("bob:100000:65536\n", "ada", 1000)).toBe(false);
  expect(hasRange("", "ada", 1000)).toBe(false);
});

test("a new range starts behind all others", async () => {
  const { firstFree } = await ids;
  expect(firstFree("")).toBe(100_000);
  expect(firstFree("bob:100000:65536\ncarl:165536:65536\n")).toBe(231_072);
  expect(firstFree("bob:500:10\n")).toBe(100_000);
});

test("usermod gets the ranges that are missing, and no others", async () => {
  const { rangeArguments } = await ids;
  const files: Readonly<Record<string, string>> = {
    "/etc/subuid": "ada:100000:65536\n",
    "/etc/subgid": "bob:100000:65536\n",
  };
  expect(rangeArguments("ada", 1000, (file) => files[file] ?? "")).toEqual(["--add-subgids", "165536-231071"]);
  expect(rangeArguments("ada", 1000, () => "ada:100000:65536\n")).toEqual([]);
});
