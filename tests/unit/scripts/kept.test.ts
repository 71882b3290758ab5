import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const kept = import("../../../scripts/test/kept.mjs");

let folder: string;
let code: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mayfly kept "));
  code = join(folder, "clone", "sdk", "dist", "provider", "machines");
  mkdirSync(code, { recursive: true });
  writeFileSync(join(code, "snapshot.js"), "save();");
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const base = () => join(folder, "cache");
const open = async () => (await kept).keptFolder(join(folder, "clone"), base());

test("the same code finds what it has made before, changed code does not", async () => {
  const first = await open();
  writeFileSync(join(first, "template"), "");
  expect(await open()).toBe(first);
  expect(existsSync(join(first, "template"))).toBe(true);
  writeFileSync(join(code, "snapshot.js"), "save(all);");
  const second = await open();
  expect(second).not.toBe(first);
  expect(readdirSync(second)).toEqual([]);
  writeFileSync(join(code, "other.js"), "");
  expect(await open()).not.toBe(second);
});

test("what no run has used for days goes, and nothing else there", async () => {
  const old = await open();
  const past = new Date(Date.now() - 3 * 86_400_000);
  utimesSync(old, past, past);
  mkdirSync(join(base(), "boot-disks"));
  utimesSync(join(base(), "boot-disks"), past, past);
  writeFileSync(join(code, "snapshot.js"), "save(all);");
  const next = await open();
  expect(existsSync(old)).toBe(false);
  expect(existsSync(next)).toBe(true);
  expect(existsSync(join(base(), "boot-disks"))).toBe(true);
});
