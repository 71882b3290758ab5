import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { MAIN } from "../../support/command";
import { eventually } from "../../support/eventually";
import { fakePodman } from "../../support/fake-podman";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mayfly interrupt "));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)(
  "%s while a program of the host runs ends the command in its own way, not by the signal: it cleans up first",
  async (signal) => {
    const started = join(folder, "started");
    fakePodman(folder, `echo >'${started}'; exec sleep 60`);
    const env = {
      ...process.env,
      PATH: [folder, process.env["PATH"]].join(delimiter),
      MAYFLY_HOME: join(folder, "home"),
    };
    const command = spawn(process.execPath, [MAIN, "run", "-d", "localhost/x"], { env, stdio: "ignore" });
    const ended = once(command, "exit");
    await eventually("podman runs", 30, () => existsSync(started));
    command.kill(signal);
    expect(await ended).toEqual([130, null]);
  },
);
