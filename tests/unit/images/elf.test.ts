import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { isDynamic, neededLibraries } from "../../../provider/images/elf";

const GUEST = join(__dirname, "..", "..", "..", "provider", "guest");

test("what a program needs of others is read from its file: here Node's, which the C library's loader starts", () => {
  expect(isDynamic(process.execPath)).toBe(true);
  expect(neededLibraries(readFileSync(process.execPath))).toEqual(expect.arrayContaining(["libc.so.6", "libm.so.6"]));
});

test.each(["x86_64", "aarch64"])("a static program for %s needs nothing, a library what it names", (name) => {
  const file = join(GUEST, "helper", `helper-${name}`);
  expect(isDynamic(file)).toBe(false);
  expect(neededLibraries(readFileSync(file))).toEqual([]);
  expect(neededLibraries(readFileSync(join(GUEST, "pam-ahead", `pam-ahead-${name}`)))).toEqual(["libpam.so.0"]);
});
