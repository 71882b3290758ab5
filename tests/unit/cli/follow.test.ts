import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
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

test("a log is read in pieces, whatever its size; a character that lies across two is one", async () => {
  const file = join(folder, "log");
  const lines = Array.from({ length: 3_000 }, (_, index) => `${String(index)} ${"ä€".repeat(200)}`); // three pieces
  writeFileSync(file, lines.map((line) => `${line}\n`).join(""));
  const read = jest.spyOn(Buffer, "alloc");
  const told: string[] = [];
  try {
    await new LineReader(file, (line) => told.push(line)).read();
    expect(Math.max(...read.mock.calls.map(([size]) => size))).toBeLessThanOrEqual(1_048_576);
  } finally {
    read.mockRestore();
  }
  expect(told).toEqual(lines);
});

test("who does not read on any more is not told the rest", async () => {
  const file = join(folder, "log");
  writeFileSync(file, `${"x".repeat(1_000)}\n`.repeat(3_000));
  const over = new AbortController();
  let count = 0;
  const reader = new LineReader(file, () => {
    count += 1;
    over.abort(new Error("over"));
  });
  await expect(reader.read(over.signal)).rejects.toThrow("over");
  expect(count).toBeLessThan(1_100);
});
