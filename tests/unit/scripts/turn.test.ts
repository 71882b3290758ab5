import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../../support/eventually";

const turn = import("../../../scripts/setup/turn.mjs");

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mayfly-unit-"));
  file = join(folder, "lock");
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** A process that does its work in turn, which is to note that it begins and, a while later, that it has ended. */
const script = (): string => `
  import { inTurn } from "${join(__dirname, "..", "..", "..", "scripts", "setup", "turn.mjs")}";
  import { appendFileSync } from "node:fs";
  import { setTimeout as sleep } from "node:timers/promises";
  const note = (what) => appendFileSync(${JSON.stringify(join(folder, "log"))}, what + " " + process.pid + "\\n");
  await inTurn(${JSON.stringify(file)}, () => undefined, async () => {
    note("begun");
    await sleep(400);
    note("ended");
  });`;

test("one after the other, also where a dead one's lock is there", async () => {
  const { pid } = spawnSync("true");
  symlinkSync(`${String(pid)}:1:another-boot`, file);
  const all = Array.from({ length: 4 }, () =>
    spawn(process.execPath, ["--input-type=module", "-e", script()], { stdio: ["ignore", "ignore", "inherit"] }),
  );
  await Promise.all(all.map(async (one) => once(one, "exit")));
  const lines = readFileSync(join(folder, "log"), "utf8").trim().split("\n");
  const pids = lines.filter((line) => line.startsWith("begun")).map((line) => line.replace("begun ", ""));
  expect(pids.sort()).toEqual(all.map((one) => String(one.pid)).sort());
  const inOrder = lines.flatMap((line, index) => (index % 2 === 0 ? [line, line.replace("begun", "ended")] : []));
  expect(lines).toEqual(inOrder);
  expect(readdirSync(folder)).toEqual(["log"]);
});

test("who waits is told for whom, and goes on when that one is killed", async () => {
  const holder = spawn(process.execPath, ["--input-type=module", "-e", script().replace("400", "60_000")]);
  const waitedFor: string[] = [];
  const onWait = (pid: string) => {
    waitedFor.push(pid);
    holder.kill("SIGKILL");
  };
  try {
    await eventually("the other one has begun", 20, () => existsSync(join(folder, "log")));
    expect(await (await turn).inTurn(file, onWait, () => Promise.resolve("done"))).toBe("done");
    expect(waitedFor).toEqual([String(holder.pid)]);
  } finally {
    holder.kill("SIGKILL");
  }
});

test("where no lock can be made the work is done all the same", async () => {
  const none = join(folder, "missing", "lock");
  expect(
    await (
      await turn
    ).inTurn(
      none,
      () => undefined,
      () => Promise.resolve("done"),
    ),
  ).toBe("done");
});
