import { linkSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { commitSync, Records } from "../../../provider/host/records";

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

test.each([
  ["cut short", '{ "name'],
  ["emptied", ""],
  ["zeros", "\0\0\0"],
  ["no record", "null"],
])("a record that is %s hides no other, is told apart from none, and can be forgotten", async (_, text) => {
  const records = new Records<{ name: string }>(folder);
  await records.write("good", { name: "1" });
  writeFileSync(join(folder, "bad.json"), text);
  expect([...(await records.list()).keys()]).toEqual(["good"]);
  expect(await records.read("bad")).toBeUndefined();
  expect(await records.unreadable()).toEqual(["bad"]);
  await records.remove("bad");
  expect(await records.unreadable()).toEqual([]);
  expect(readdirSync(folder)).toEqual(["good.json"]);
});

test("a thing is marked as committed in a new file: whoever is killed meanwhile leaves the old record whole", async () => {
  const records = new Records<{ phase: string; port: number }>(folder);
  await records.write("web", { phase: "ready", port: 1 });
  linkSync(join(folder, "web.json"), join(folder, "before"));
  commitSync(join(folder, "web.json"));
  expect(await records.read("web")).toEqual({ phase: "committed", port: 1 });
  expect(JSON.parse(readFileSync(join(folder, "before"), "utf8"))).toMatchObject({ phase: "ready" });
  expect(readdirSync(folder)).toEqual(["before", "web.json"]);
});

test("what is not finished, or no record, is not marked", async () => {
  const records = new Records<{ phase: string }>(folder);
  await records.write("web", { phase: "starting" });
  for (const name of ["web.json", "none.json"]) commitSync(join(folder, name));
  expect(await records.read("web")).toEqual({ phase: "starting" });
});
