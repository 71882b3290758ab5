import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { Records } from "../../../provider/host/records";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mayfly records "));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

test("what is written is read and listed, until it is removed", async () => {
  const records = new Records<{ name: string }>(join(folder, "made"));
  await records.write("one", { name: "1" });
  await records.write("one.more", { name: "2" });
  expect(await records.read("one")).toEqual({ name: "1" });
  expect([...(await records.list())]).toEqual([
    ["one", { name: "1" }],
    ["one.more", { name: "2" }],
  ]);
  await records.remove("one");
  await records.remove("one");
  expect(readdirSync(join(folder, "made"))).toEqual(["one.more.json"]);
});

test("what is written anew takes the place of what was there, with nothing beside it", async () => {
  const records = new Records<{ size: number }>(folder);
  await records.write("a", { size: 1 });
  await records.rewrite("a", { size: 2 });
  expect(await records.read("a")).toEqual({ size: 2 });
  expect(readdirSync(folder)).toEqual(["a.json"]);
});

test("what a killed writer has left of a record goes with it, and nothing of another's", async () => {
  // As writeFileAtomic, killed before it has renamed its draft.
  const names = ["one.json.0a1b2c3d.tmp", "one.json", "one.more.json.0a1b2c3d.tmp", "two.json"];
  for (const name of names) writeFileSync(join(folder, name), "{}");
  await new Records(folder).remove("one");
  expect(readdirSync(folder)).toEqual(["one.more.json.0a1b2c3d.tmp", "two.json"]);
});

test("what a killed writer has left of a thing that nobody removes goes after a while, while others write", async () => {
  const hourAgo = Date.now() / 1_000 - 3_600;
  for (const name of ["old.json.0a1b2c3d.tmp", "new.json.0a1b2c3d.tmp"]) writeFileSync(join(folder, name), "{}");
  utimesSync(join(folder, "old.json.0a1b2c3d.tmp"), hourAgo, hourAgo);
  expect((await new Records(folder).list()).size).toBe(0);
  expect(readdirSync(folder)).toEqual(["new.json.0a1b2c3d.tmp"]);
});
