import { expect, test } from "@jest/globals";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { identifyProcess } from "../../../provider/host/process-identity";
import { HOMES, makeHome } from "../../support/home";

const deadHomes = import("../../../scripts/test/dead-homes.mjs");

test("what a test that was killed has left goes, with its processes; what one that runs has made stays", async () => {
  const folder = mkdtempSync(join(tmpdir(), "mayfly-homes-")); // so that nothing else of this host is looked at
  const host = { root: join(__dirname, "..", "..", ".."), home: "", env: { ...process.env, TMPDIR: folder } };
  const maker = spawn("sleep", ["60"]);
  const [dead, living] = [makeHome("dead", folder), makeHome("living", folder)];
  const server = spawn("tail", ["-F", join(dead, "none")], { stdio: "ignore" });
  const makerIs = identifyProcess(maker.pid ?? 0);
  try {
    writeFileSync(join(dead, HOMES.record), JSON.stringify(makerIs));
    const ended = [maker, server].map(async (one) => once(one, "exit", { signal: AbortSignal.timeout(50_000) }));
    maker.kill("SIGKILL");
    await ended[0];
    await (await deadHomes).clearDeadHomes(host);
    await ended[1];
    expect([existsSync(dead), existsSync(living)]).toEqual([false, true]);
  } finally {
    for (const one of [maker, server]) one.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
});
