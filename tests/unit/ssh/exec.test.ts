import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { Ssh } from "../../../provider/ssh/ssh";
import { Sshd } from "../../support/sshd";
let server: Sshd;
const ssh = new Ssh();
beforeAll(async () => {
  server = await Sshd.start();
});
afterAll(async () => {
  await ssh.close();
  await server[Symbol.asyncDispose]();
});
test("x", async () => {
  const signal = AbortSignal.timeout(20000);
  await ssh.login(server.endpoint, signal);
  const r = await ssh.exec(
    server.endpoint,
    { command: "echo hi; pwd; nosuch; cat; exit 3", stdin: "in", environment: { A: "1" } },
    signal,
  );
  console.log(r.exitCode, r.stdout, r.stderr, r.durationSeconds);
  const ts: number[] = [];
  for (let i = 0; i < 100; i++) {
    const t = performance.now();
    await ssh.exec(server.endpoint, { command: "true" }, signal);
    ts.push(performance.now() - t);
  }
  ts.sort((a, b) => a - b);
  console.log(ts[50], ts[90], server.logins);
  expect(1).toBe(1);
});
