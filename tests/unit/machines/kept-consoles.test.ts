import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { failureOf } from "../../support/context";
import { MayflyError } from "../../../provider/errors";
import { forgetConsoles, keepConsole, orKeepConsole } from "../../../provider/machines/kept-consoles";

let home: string;
let folder: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "mayfly-consoles-"));
  folder = join(home, "failed");
  mkdirSync(folder);
});
afterEach(() => {
  rmSync(home, { recursive: true });
});

/** A machine's log, as podman writes it. */
function log(...lines: string[]): string {
  const path = join(home, "console.log");
  writeFileSync(path, lines.map((line) => `2026-11-27T12:00:00.000000000+00:00 stdout F ${line}\n`).join(""));
  return path;
}

test("a console is kept as text, for its user only", async () => {
  const path = await keepConsole(folder, "web-1a2b", log("Linux version 6.1", "\u001b[31mKernel panic\u001b[0m"));
  expect(path).toBe(join(folder, "web-1a2b.txt"));
  expect(readFileSync(path ?? "", "utf8")).toBe("Linux version 6.1\nKernel panic\n");
  expect(statSync(path ?? "").mode & 0o777).toBe(0o600);
});

test("an error of ours names the file, but for that of a guest that has come up and can't be a template", async () => {
  const console = { folder, id: "web-1", log: log("Kernel panic") };
  const fail = (error: Error) => orKeepConsole(console, () => Promise.reject(error));
  const { evidence } = await failureOf<MayflyError>(
    fail(new MayflyError("BOOT_FAILED", "it panicked", { evidence: "seen", remedy: "do" })),
  );
  expect(evidence).toBe(`seen\nthe whole console: ${join(folder, "web-1.txt")}`);
  rmSync(join(folder, "web-1.txt"));
  await failureOf(fail(new MayflyError("NO_TEMPLATE", "it restarts itself", { remedy: "do" })));
  await failureOf(fail(new Error("something else")));
  expect(readdirSync(folder)).toEqual([]);
});

test("nothing is kept of an empty console, of one that is not there, and where there is no room", async () => {
  expect(await keepConsole(folder, "web-1", log())).toBeUndefined();
  expect(await keepConsole(folder, "web-1", join(home, "nowhere"))).toBeUndefined();
  expect(await keepConsole(join(home, "nowhere"), "web-1", log("x"))).toBeUndefined();
  expect(readdirSync(folder)).toEqual([]);
});

test("ten are kept, the newest, and none for more than a week", async () => {
  const days = (count: number) => count * 24 * 3_600;
  for (let index = 0; index < 12; index++) {
    const path = join(folder, `${String(index).padStart(2, "0")}.txt`);
    writeFileSync(path, "");
    utimesSync(path, days(100) - index, days(100) - index);
  }
  await forgetConsoles(folder, days(100) * 1_000);
  expect(readdirSync(folder).sort()).toEqual(Array.from({ length: 10 }, (_, index) => `0${String(index)}.txt`));
  await forgetConsoles(folder, days(107) * 1_000 - 4_500);
  expect(readdirSync(folder).sort()).toEqual(["00.txt", "01.txt", "02.txt", "03.txt", "04.txt"]);
  await forgetConsoles(join(home, "nowhere"));
  expect(existsSync(join(home, "nowhere"))).toBe(false);
});
