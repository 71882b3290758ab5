import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { Socket } from "node:net";
import { join, resolve } from "node:path";
import { PassThrough } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { afterEach, describe, expect, jest, test } from "@jest/globals";
import { until } from "../../../provider/host/until";
import { Ssh } from "../../../provider/ssh/ssh";
import { eventually } from "../../support/eventually";
import { Sshd } from "../../support/sshd";

const execute = promisify(execFile);
const ssh = new Ssh();
const soon = () => AbortSignal.timeout(30_000);

afterEach(() => ssh.close());

async function untilExists(file: string): Promise<void> {
  const diagnose = () => ({ remedy: "see pool.ts" });
  const signal = AbortSignal.timeout(5_000);
  await until(`${file} is there`, async () => existsSync(file) || undefined, { signal, interval: 10, diagnose });
}

describe("one connection", () => {
  test("carries 200 commands at a time, within sshd's MaxSessions of 10", async () => {
    await using server = await Sshd.start({ config: ["MaxSessions 10"] });
    const results = await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        ssh.exec(server.endpoint, { command: `echo ${String(index)}` }, soon()),
      ),
    );
    expect(results.map(({ stdout }) => stdout)).toEqual(
      Array.from({ length: 200 }, (_, index) => `${String(index)}\n`),
    );
    expect(server.logins).toBeLessThanOrEqual(2); // one, and another only if this host hung for 300 ms
  });

  test("sends at once: no command waits for a delayed acknowledgement, which takes 40 ms", async () => {
    await using server = await Sshd.start();
    const sent = jest.spyOn(Socket.prototype, "setNoDelay");
    await ssh.exec(server.endpoint, { command: "true" }, soon());
    const ports = sent.mock.contexts.map((socket) => (socket as Socket).remotePort);
    sent.mockRestore();
    expect(ports).toContain(server.port);
  });

  test("carries as many as a stricter server takes", async () => {
    await using server = await Sshd.start({ config: ["MaxSessions 3"] });
    const run = () => ssh.exec(server.endpoint, { command: "sleep 0.02; echo x" }, soon());
    const results = await Promise.all(Array.from({ length: 30 }, run));
    expect(results.every(({ stdout }) => stdout === "x\n")).toBe(true);
    await using none = await Sshd.start({ config: ["MaxSessions 0"] });
    await expect(ssh.exec(none.endpoint, { command: "true" }, soon())).rejects.toMatchObject({
      code: "CONNECT_FAILED",
    });
  });

  test("gets company when long commands take all of its sessions", async () => {
    await using server = await Sshd.start();
    const inputs = Array.from({ length: 12 }, () => new PassThrough());
    let begun = 0;
    const onStart = () => (begun += 1);
    const long = inputs.map((stdin) => ssh.exec(server.endpoint, { command: "cat", stdin, onStart }, soon()));
    await eventually("all sessions of a connection are taken", 20, () => begun >= 10);
    expect((await ssh.exec(server.endpoint, { command: "echo quick" }, soon())).stdout).toBe("quick\n");
    for (const input of inputs) input.end(); // they end only now
    await Promise.all(long);
    expect(server.logins).toBe(2);
  });

  test("is shared by all who log in alike, and by nobody else", async () => {
    await using server = await Sshd.start();
    const { endpoint } = server;
    await ssh.exec(endpoint, { command: "true" }, soon());
    await ssh.exec({ ...endpoint, perDialTimeout: 3, dialErrorLimit: 2 }, { command: "true" }, soon());
    expect(server.logins).toBe(1);
    const { privateKey } = await ssh.makeKey({ algorithm: "ed25519" });
    await expect(ssh.exec({ ...endpoint, privateKey }, { command: "true" }, soon())).rejects.toThrow("refused");
    const { publicKey: hostKey } = await ssh.makeKey({ algorithm: "ed25519" });
    await expect(ssh.exec({ ...endpoint, hostKey }, { command: "true" }, soon())).rejects.toThrow("is not the host");
  });

  test("leaves no listener behind on a signal that outlives the commands", async () => {
    await using server = await Sshd.start();
    const controller = new AbortController();
    let listeners = 0;
    const { signal } = controller;
    const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners += 1;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners -= 1;
      remove(...args);
    };
    const run = () => ssh.exec(server.endpoint, { command: "true", timeout: 20 }, signal);
    await run();
    await Promise.all(Array.from({ length: 60 }, run));
    await sleep(50);
    expect(listeners).toBe(0);
  });
});

describe("a connection that breaks", () => {
  test("under a command is an error, and the command is not run twice", async () => {
    await using server = await Sshd.start();
    const file = join(server.folder, "runs");
    const command = `echo run >> "$FILE"; sleep 60`;
    const running = ssh.exec(server.endpoint, { command, environment: { FILE: file } }, soon());
    const failed = expect(running).rejects.toMatchObject({
      code: "COMMAND_FAILED",
      message: expect.stringContaining("it is not run a second time by itself"),
    });
    await untilExists(file);
    await server.kill();
    await server.restart();
    await failed;
    await sleep(500);
    expect(readFileSync(file, "utf8")).toBe("run\n");
  });

  test("between two commands is not even noticed", async () => {
    await using server = await Sshd.start();
    expect((await ssh.exec(server.endpoint, { command: "echo 1" }, soon())).stdout).toBe("1\n");
    await server.kill();
    await server.restart();
    expect((await ssh.exec(server.endpoint, { command: "echo 2" }, soon())).stdout).toBe("2\n");
  });

  test("at the very moment of use is replaced: what had not begun runs once", async () => {
    await using server = await Sshd.start();
    const file = join(server.folder, "runs");
    for (let round = 0; round < 5; round += 1) {
      await ssh.exec(server.endpoint, { command: "true" }, soon());
      // Not awaited: the client has not yet heard of the end when it asks for a session.
      const killed = server.kill();
      const runs = Array.from({ length: 4 }, (_, index) => {
        const environment = { FILE: file, RUN: `${String(round)}.${String(index)}` };
        return ssh.exec(server.endpoint, { command: 'echo "$RUN" >> "$FILE"', environment }, soon());
      });
      await killed;
      await server.restart();
      const settled = await Promise.allSettled(runs);
      for (const { status, ...rest } of settled)
        if (status === "rejected") expect(rest).toMatchObject({ reason: { code: "COMMAND_FAILED" } });
    }
    const lines = existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n") : [];
    expect(lines).toEqual([...new Set(lines)]);
  });

  test("half, so that nothing comes back, is left after a while", async () => {
    await using server = await Sshd.start();
    await ssh.exec(server.endpoint, { command: "true" }, soon());
    const mine = await server.sessionProcesses();
    expect(mine.length).toBeGreaterThan(0);
    for (const pid of mine) process.kill(pid, "SIGSTOP");
    const begun = performance.now();
    expect((await ssh.exec(server.endpoint, { command: "echo again" }, soon())).stdout).toBe("again\n");
    expect(performance.now() - begun).toBeGreaterThan(9_000); // the time in which a busy guest may still answer
    expect(server.logins).toBe(2);
    for (const pid of mine) process.kill(pid, "SIGKILL");
  }, 30_000);

  test("half, to a proxy, is left: the far server is reached over a new one, and what runs on the old one goes on", async () => {
    await using near = await Sshd.start();
    await using far = await Sshd.start();
    const stdin = new PassThrough();
    let isBegun = false;
    const onStart = () => (isBegun = true);
    const running = ssh.exec(near.endpoint, { command: "cat", stdin, onStart }, AbortSignal.timeout(90_000));
    await eventually("a command runs on the proxy", 30, () => isBegun);
    const stopped = await near.sessionProcesses();
    for (const pid of stopped) process.kill(pid, "SIGSTOP");
    const through = { ...far.endpoint, proxy: near.endpoint, perDialTimeout: 5 }; // shorter than the doubt takes
    expect((await ssh.exec(through, { command: "echo far" }, AbortSignal.timeout(60_000))).stdout).toBe("far\n");
    expect(near.logins).toBe(2);
    for (const pid of stopped) process.kill(pid, "SIGCONT");
    stdin.end("still there");
    expect((await running).stdout).toBe("still there");
  }, 100_000);

  test("because its machine was forgotten ends what runs on it; the machine can be met again", async () => {
    await using server = await Sshd.start();
    const running = expect(ssh.exec(server.endpoint, { command: "sleep 60" }, soon())).rejects.toMatchObject({
      code: "COMMAND_FAILED",
    });
    await ssh.exec(server.endpoint, { command: "true" }, soon());
    await ssh.forget({ host: "127.0.0.1", port: server.port, hostKey: server.endpoint.hostKey });
    await running;
    expect((await ssh.exec(server.endpoint, { command: "echo x" }, soon())).stdout).toBe("x\n");
    expect(server.logins).toBe(2);
  });
});

test("a process with idle connections ends by itself", async () => {
  await using near = await Sshd.start();
  await using far = await Sshd.start();
  const script = join(far.folder, "idle.ts");
  await writeFile(
    script,
    `import { Ssh } from ${JSON.stringify(resolve("provider/ssh/ssh.ts"))};
     async function main() {
       const ssh = new Ssh();
       for (const endpoint of ${JSON.stringify([far.endpoint, { ...far.endpoint, proxy: near.endpoint }])}) {
         await ssh.login(endpoint, AbortSignal.timeout(10_000));
         const { stdout } = await ssh.exec(endpoint, { command: "sleep 1.2; echo hello" }, AbortSignal.timeout(10_000));
         process.stdout.write(stdout);
       }
       // What keeps a process from ending: Node's process.getActiveResourcesInfo().
       const holders = process.getActiveResourcesInfo().filter((name) => /^(?:Timeout|TCP.*Wrap)$/.test(name));
       process.stdout.write(JSON.stringify(holders));
     }
     void main();`,
  );
  const register = resolve("node_modules/ts-node/register/transpile-only");
  const env = { ...process.env, TS_NODE_PROJECT: resolve("tests/tsconfig.json"), NODE_OPTIONS: "" };
  const { stdout } = await execute(process.execPath, ["-r", register, script], { env, timeout: 20_000 });
  expect(stdout).toBe("hello\nhello\n[]"); // and it was not ended by the limit
}, 30_000);
