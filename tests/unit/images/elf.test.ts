import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { isDynamic, neededLibraries } from "../../../provider/images/elf";

const HELPERS = join(__dirname, "..", "..", "..", "provider", "guest", "helper");

test("what a program needs of others is read from its file: here Node's, which the C library's loader starts", () => {
  expect(isDynamic(process.execPath)).toBe(true);
  expect(neededLibraries(readFileSync(process.execPath))).toEqual(expect.arrayContaining(["libc.so.6", "libm.so.6"]));
});

test.each(["x86_64", "aarch64"])("a static program for %s needs nothing", (name) => {
  const file = join(HELPERS, `helper-${name}`);
  expect(isDynamic(file)).toBe(false);
  expect(neededLibraries(readFileSync(file))).toEqual([]);
});
