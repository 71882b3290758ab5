import { expect, test } from "@jest/globals";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { identifyProcess, isAlive } from "../../../provider/host/process-identity";
import { HOMES, makeHome } from "../../support/home";

const deadHomes = import("../../../scripts/test/dead-homes.mjs");
const host = { root: join(__dirname, "..", "..", ".."), home: "", env: process.env };

test("what a test that was killed has left goes, with its processes; what one that runs has made stays", async () => {
  const maker = spawn("sleep", ["60"]);
  const [dead, living] = [makeHome("dead"), makeHome("living")];
  const server = spawn("tail", ["-F", join(dead, "none")], { stdio: "ignore" });
  const [makerIs, serverIs] = [identifyProcess(maker.pid ?? 0), identifyProcess(server.pid ?? 0)];
  if (serverIs === undefined) throw new Error("tail did not start");
  try {
    writeFileSync(join(dead, HOMES.record), JSON.stringify(makerIs));
    maker.kill("SIGKILL");
    const ended = once(server, "exit");
    await once(maker, "exit");
    await (await deadHomes).clearDeadHomes(host);
    await ended;
    expect([existsSync(dead), isAlive(serverIs), existsSync(living)]).toEqual([false, false, true]);
  } finally {
    server.kill("SIGKILL");
    for (const home of [dead, living]) rmSync(home, { recursive: true, force: true });
  }
});
