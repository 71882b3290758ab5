import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
import { openPaths, type Paths } from "../../../provider/host/paths";
import { digestContext } from "../../../provider/images/build-context";
import { furnish } from "../../support/folders";

let home: string;
let paths: Paths;
let context: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "mayfly context "));
  paths = openPaths({ MAYFLY_HOME: join(home, "data") });
  context = join(home, "context");
  furnish(context, Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`src/${String(index)}`, "text"])));
});
afterEach(() => {
  jest.restoreAllMocks();
  rmSync(home, { recursive: true });
});

const digest = async () => digestContext(paths, context, undefined);
const kept = () => readdirSync(paths.verdicts).map((name) => join(paths.verdicts, name));
/** As if its files had been written a while ago. */
const later = () => jest.spyOn(Date, "now").mockReturnValue(Date.now() + 10_000);

test("a large context is read once as long as nothing in it changes", async () => {
  utimesSync(join(context, "src/7"), 1_000, 1_000);
  later();
  const first = await digest();
  const [file = ""] = kept();
  writeFileSync(file, readFileSync(file, "utf8").replace(first, "as it was kept"));
  expect(await digest()).toBe("as it was kept");
  writeFileSync(join(context, "src/7"), "TEXT");
  utimesSync(join(context, "src/7"), 1_000, 1_000);
  const second = await digest();
  expect([first, "as it was kept"]).not.toContain(second);
  furnish(context, { "src/new": "" });
  expect(await digest()).not.toBe(second);
  rmSync(join(context, "src/new"));
  expect(await digest()).toBe(second);
});

test("nothing is kept of what has just been written: the next write might show as the same time", async () => {
  const first = await digest();
  expect(kept()).toEqual([]);
  later();
  expect(await digest()).toBe(first);
  expect(kept()).toHaveLength(1);
});
