import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { watch } from "node:fs/promises";
import { createServer } from "node:net";
import { promisify } from "node:util";
import { until } from "../../../provider/host/until";
import { Sshd } from "../../support/sshd";
import { answers, portOf, TestTunnel, wait } from "../../support/tunnel";

const execute = promisify(execFile);

let server: Sshd;
let tunnel: TestTunnel;

beforeEach(async () => {
  server = await Sshd.start();
  tunnel = await TestTunnel.start(server.endpoint);
});
afterEach(async () => {
  await tunnel[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

test("a full disk costs lines of the log, and no forward; what changed meanwhile is on record once there is room", async () => {
  const local = await tunnel.open(tunnel.local());
  const remote = await tunnel.open(tunnel.remote());
  const pid = String(tunnel.keeper.pid);
  await execute("prlimit", ["--pid", pid, "--fsize=0:"]); // no file can grow: neither its log nor its record
  await server.kill();
  const squatter = createServer();
  const squat = async () => {
    squatter.listen(portOf(remote), "127.0.0.1");
    return once(squatter, "listening").then(
      () => true as const,
      () => undefined, // the killed server's processes have it still
    );
  };
  await until("somebody else has its place", squat, wait());
  const tries = watch(tunnel.folder, { signal: AbortSignal.timeout(30_000) });
  await server.restart();
  for await (const { filename } of tries) if (/^tunnel\.json\..+\.tmp$/.test(filename ?? "")) break; // that it waits
  await until("it answers", () => answers(local), wait());
  expect(tunnel.record?.waiting).toEqual([]);
  await execute("prlimit", ["--pid", pid, "--fsize=unlimited:"]);
  const known = () => Promise.resolve(tunnel.record?.waiting?.includes("api-1") === true || undefined);
  await until("it is on record that the other one waits", known, wait());
  squatter.close();
  await until("it answers, too", () => answers(remote), wait());
});
