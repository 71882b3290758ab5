import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { openPaths } from "../../../provider/host/paths";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mayfly-unit-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

test("a relative data folder is that of the working directory, by its whole path", () => {
  const { home, machines } = openPaths({ MAYFLY_HOME: relative(process.cwd(), folder) });
  expect([home, machines]).toEqual([folder, join(folder, "machines")]);
});

test("an empty name of it is none", () => {
  const isRoot = process.getuid?.() === 0;
  const { home } = openPaths({ MAYFLY_HOME: "", XDG_DATA_HOME: folder });
  expect(home).toBe(isRoot ? "/var/lib/mayfly" : join(folder, "mayfly"));
});
