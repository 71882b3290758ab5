import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { LineReader } from "../../../cli/vms/follow";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mayfly-follow-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

test("a line is told once, also where two look at the log at the same time", async () => {
  const file = join(folder, "log");
  writeFileSync(file, "one\ntwo\n");
  const lines: string[] = [];
  const reader = new LineReader(file, (line) => lines.push(line));
  await Promise.all([reader.read(), reader.read(), reader.read()]);
  expect(lines).toEqual(["one", "two"]);
});
