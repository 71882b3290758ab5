import { expect, test } from "@jest/globals";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";

const locks = import("../../../scripts/quickstart/locks.mjs");

test("only locks of dead processes of this machine go", async () => {
  const folder = mkdtempSync(join(tmpdir(), "mayfly-unit-"));
  const project = join(folder, "organization", "mayfly-quickstart", "dev");
  const DEAD = 2 ** 22 + 1; // above the largest process id that Linux gives
  copyFileSync("/bin/sleep", join(folder, "pulumi"));
  const pulumi = spawn(join(folder, "pulumi"), ["60"]);
  try {
    await once(pulumi, "spawn");
    mkdirSync(project, { recursive: true });
    symlinkSync("nowhere", join(project, "given-back.json")); // there when listed, and not when read
    const write = (name: string, lock: object) => {
      writeFileSync(join(project, name), JSON.stringify(lock));
    };
    write("dead.json", { pid: DEAD, hostname: hostname() });
    write("another's.json", { pid: process.pid, hostname: hostname() });
    write("living.json", { pid: pulumi.pid, hostname: hostname() });
    write("elsewhere.json", { pid: DEAD, hostname: `not-${hostname()}` });
    (await locks).removeDeadLocks(folder);
    expect(readdirSync(project).sort()).toEqual(["elsewhere.json", "given-back.json", "living.json"]);
    (await locks).removeDeadLocks(join(folder, "missing")); // no backend yet: nothing to do
  } finally {
    pulumi.kill();
    rmSync(folder, { recursive: true });
  }
});
