import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const kept = import("../../../scripts/test/kept.mjs");

let folder: string;
let code: string;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "mayfly kept "));
  code = join(folder, "clone", "sdk", "dist", "provider", "machines");
  for (const part of (await kept).MAKERS) mkdirSync(join(code, "..", part), { recursive: true });
  writeFileSync(join(code, "snapshot.js"), "save();");
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const open = async () => (await kept).keptFolder(join(folder, "clone"), join(folder, "cache"));

test("the same code finds what it has made before, changed code does not", async () => {
  const first = await open();
  for (const name of ["template", "runs-commands"]) writeFileSync(join(first, name), "");
  expect(await open()).toBe(first);
  expect(readdirSync(first)).toEqual(["template"]); // and not what is shown anew in each run
  writeFileSync(join(code, "snapshot.js"), "save(all);");
  const second = await open();
  expect(second).not.toBe(first);
  expect(readdirSync(second)).toEqual([]);
  writeFileSync(join(code, "other.js"), "");
  const third = await open();
  expect(third).not.toBe(second);
  writeFileSync(join(code, "..", "index.js"), ""); // makes no template
  expect(await open()).toBe(third);
});

test("of former code that of the last states stays, and what a run may be at work in", async () => {
  const { keepOnly } = await kept;
  const place = join(folder, "states");
  const make = (name: string, hours: number) => {
    mkdirSync(join(place, name), { recursive: true });
    const at = new Date(Date.now() - hours * 3_600_000);
    utimesSync(join(place, name), at, at);
  };
  for (const [name, hours] of Object.entries({ now: 0, before: 1, first: 2, old: 9, older: 99 })) make(name, hours);
  keepOnly(place, 2);
  expect(readdirSync(place).sort()).toEqual(["before", "first", "now"]);
  keepOnly(place, 5);
  expect(readdirSync(place)).toHaveLength(3);
});

test("what makes templates is there, and so are the tests that begin first", async () => {
  const root = join(__dirname, "..", "..", "..");
  const { MAKERS } = await kept;
  for (const part of MAKERS) expect(existsSync(join(root, "provider", part.replace(/\.js$/, ".ts")))).toBe(true);
  const { LONG } = await import("../../../scripts/test/long-files.mjs");
  for (const name of LONG) expect(existsSync(join(root, "tests", "e2e", `${name}.test.ts`))).toBe(true);
});
