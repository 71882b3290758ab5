import type * as FilePromises from "node:fs/promises";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
import { openPaths, type Paths } from "../../../provider/host/paths";
import { once } from "../../../provider/images/once";

const files = jest.requireActual<typeof FilePromises>("node:fs/promises");

let paths: Paths;
beforeEach(() => {
  paths = openPaths({ MAYFLY_HOME: mkdtempSync(join(tmpdir(), "mayfly once ")) });
});
afterEach(() => {
  jest.restoreAllMocks();
  rmSync(paths.home, { recursive: true });
});

/** What is brought to the disk, and what is moved, in turn. */
function watchDisk(): string[] {
  const seen: string[] = [];
  const { open, rename } = files;
  jest.spyOn(files, "open").mockImplementation(async (path, flags, mode): Promise<FilePromises.FileHandle> => {
    const file = await open(path, flags, mode);
    const sync = file.sync.bind(file);
    jest.spyOn(file, "sync").mockImplementation(async () => {
      seen.push(basename(String(path)));
      return sync();
    });
    return file;
  });
  jest.spyOn(files, "rename").mockImplementation(async (from, to) => {
    seen.push("moved");
    return rename(from, to);
  });
  return seen;
}

test("what comes into its place is on the disk before, and its name after", async () => {
  const seen = watchDisk();
  await once(
    { paths, makeRoom: () => Promise.resolve() },
    join(paths.artefacts, "one"),
    AbortSignal.timeout(20_000),
    (draft) => {
      mkdirSync(join(draft, "modules"));
      for (const name of ["kernel", "modules/a.ko"]) writeFileSync(join(draft, name), "x");
      return Promise.resolve(draft);
    },
  );
  const moved = seen.indexOf("moved");
  expect(seen.slice(0, moved)).toEqual(expect.arrayContaining(["kernel", "a.ko", "modules"]));
  expect(seen.slice(moved + 1)).toEqual(["artefacts"]);
  expect(readdirSync(join(paths.artefacts, "one"))).toEqual(["kernel", "modules"]);
});
