import { execFileSync } from "node:child_process";
import { cpSync, lstatSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { doubtfulFiles, settledFiles } from "../../../provider/ssh/sync-plan";
import { localTree, type Tree } from "../../../provider/ssh/sync-tree";
import { furnish } from "../../support/folders";
import { makeHome } from "../../support/home";

const EPOCH = 1_000_000_000; // as SOURCE_DATE_EPOCH has it
const names = ["a", "b", "sub/c"];
let home: string;
let here: string;
let there: string;

beforeEach(() => {
  home = makeHome("settled");
  [here, there] = [join(home, "here"), join(home, "there")];
  for (const folder of [here, there]) build(folder, "one");
});
afterEach(() => rmSync(home, { recursive: true }));

function build(folder: string, text: string): void {
  furnish(folder, Object.fromEntries(names.map((name) => [name, text])));
  for (const name of names) utimesSync(join(folder, name), EPOCH, EPOCH);
}

const look = (folder: string): Promise<Tree> => localTree(folder, () => false);
/** A moment after which nothing has happened yet. */
const later = () => Date.now() / 1_000 + 10;

async function doubtful(settled: ReadonlyMap<string, string> | undefined): Promise<string[]> {
  return doubtfulFiles(await look(here), await look(there), later(), settled).sort();
}

test("by their size and time alone all files are the same, as rsync has it", async () => {
  build(here, "two");
  expect(await doubtful(undefined)).toEqual([]);
  expect(await doubtful(new Map())).toEqual(names);
});

test.each<[string, () => void, string[]]>([
  ["nothing happened", () => undefined, []],
  [
    "a file has another content, and its old time",
    () => {
      writeFileSync(join(here, "a"), "two");
      execFileSync("touch", ["-r", join(there, "a"), join(here, "a")]);
    },
    ["a"],
  ],
  [
    "another file of an old build takes its place",
    () => {
      writeFileSync(join(home, "old"), "two");
      utimesSync(join(home, "old"), EPOCH, EPOCH);
      renameSync(join(home, "old"), join(here, "a"));
    },
    ["a"],
  ],
  [
    "a folder of another build takes its place, whose files nobody has touched since",
    () => {
      renameSync(join(here, "sub"), join(home, "former"));
      renameSync(join(home, "other", "sub"), join(here, "sub"));
    },
    ["sub/c"],
  ],
])("of what was synced, once %s, these are compared: %s", async (_what, change, expected) => {
  cpSync(here, join(home, "other"), { recursive: true, preserveTimestamps: true });
  const settled = settledFiles(await look(here), later());
  change();
  expect(await doubtful(settled)).toEqual(expected);
});

test("a file that was changed when the sync began, or later, is compared the next time", async () => {
  const { ctimeMs } = lstatSync(join(here, "a"));
  expect([...settledFiles(await look(here), ctimeMs / 1_000).keys()]).not.toContain("a");
});
