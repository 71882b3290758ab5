import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { recordProgram } from "../../../provider/ssh/session-log";
import { Ssh, type Endpoint } from "../../../provider/ssh/ssh";
import { SshAgent } from "../../support/ssh-agent";
import { Sshd } from "../../support/sshd";

let server: Sshd;
let ssh: Ssh;
let folder: string;
let file: string;
const soon = () => AbortSignal.timeout(30_000);

beforeAll(async () => {
  server = await Sshd.start({ sftp: "internal-sftp" });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});
beforeEach(() => {
  ssh = new Ssh();
  folder = join(server.folder, "machine");
  mkdirSync(folder);
  file = join(folder, "sessions.jsonl");
});
afterEach(async () => {
  await ssh.close();
  rmSync(folder, { recursive: true, force: true });
});

const endpoint = (resource = "tests"): Endpoint => ({ ...server.endpoint, log: { file, resource } });
const lines = () =>
  readFileSync(file, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
const events = (event: string) => lines().filter((line) => line["event"] === event);

describe("a session on a machine of ours", () => {
  test("is written down: who, by which key, for whom, what, how much, how it ended", async () => {
    const command = "cat; echo err >&2; exit 3";
    await ssh.exec(endpoint("web-setup"), { command, stdin: "12345" }, soon());
    await ssh.exec(endpoint("web-test"), { command: "kill -KILL $$" }, soon());
    await ssh.close();
    const { fingerprint } = await ssh.parseKey({ privateKey: server.read("user") });
    const of = (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 12);
    const same = { process: process.pid, connection: lines()[0]?.["connection"] };
    const to = `${userInfo().username}@127.0.0.1:${String(server.port)}`;
    const [kind, seconds] = ["command", expect.any(Number)];
    expect(lines().map(({ time, ...rest }) => rest)).toEqual([
      { ...same, event: "connected", to, key: fingerprint, since: expect.any(String) },
      {
        ...same,
        event: "began",
        session: 1,
        resource: "web-setup",
        kind,
        sha256: of(command),
        length: 25,
      },
      { ...same, event: "ended", session: 1, seconds, exitCode: 3, bytesSent: 5, bytesReceived: 9 },
      { ...same, event: "began", session: 2, resource: "web-test", kind, sha256: of("kill -KILL $$"), length: 13 },
      { ...same, event: "ended", session: 2, seconds, signal: "SIGKILL", bytesSent: 0, bytesReceived: 0 },
      {
        ...{ ...same, event: "disconnected", seconds, sessions: 2, reason: "it was closed" },
        ...{ bytesSent: expect.any(Number), bytesReceived: expect.any(Number) },
      },
    ]);
    expect(Date.parse(String(lines()[0]?.["time"]))).toBeGreaterThan(Date.now() - 60_000);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test("never shows a command, its input or its environment; of a secret one not even a hash", async () => {
    const [word, short] = ["correct-horse-battery", "pin 1234"];
    await ssh.exec(endpoint(), { command: `: ${word}`, stdin: word, environment: { WORD: word } }, soon());
    await ssh.exec(endpoint(), { command: `: ${short}`, isSecret: true }, soon());
    await ssh.exec(endpoint(), { command: "sleep 60; : horse", timeout: 0.2 }, soon());
    expect(readFileSync(file, "utf8")).not.toMatch(/horse|1234/);
    const [, secret] = events("began");
    expect(Object.keys(secret ?? {}).sort()).toEqual([
      "connection",
      "event",
      "kind",
      "process",
      "resource",
      "secret",
      "session",
      "time",
    ]);
    expect(events("ended").at(-1)).toMatchObject({ endedBy: "timeout" });
  });

  test("that carries files is one too, and tells how much; one that breaks says so", async () => {
    const remotePath = join(server.folder, "home", "copied");
    await ssh.upload(endpoint(), { source: Buffer.alloc(70_000), remotePath }, soon());
    await ssh.download(endpoint(), { remotePath, localPath: join(server.folder, "back") }, soon());
    const files = events("began").filter(({ kind }) => kind === "sftp");
    const carried = files.map(({ session }) => events("ended").find((line) => line["session"] === session));
    const total = (field: string) => carried.reduce((sum, line) => sum + Number(line?.[field]), 0);
    expect([total("bytesSent"), total("bytesReceived")]).toEqual([70_000, 70_000]);
    const broken = ssh.exec(endpoint(), { command: "sleep 60" }, soon());
    const failed = expect(broken).rejects.toMatchObject({ code: "COMMAND_FAILED" });
    for (const pid of await server.sessionProcesses()) process.kill(pid, "SIGKILL");
    await failed;
    expect(events("ended").at(-1)).toMatchObject({ error: "COMMAND_FAILED" });
    expect(events("disconnected")).toHaveLength(1);
  });

  test("by rsync counts both directions; a command with a stream for its input counts that", async () => {
    const [here, there] = ["here", "there"].map((name) => join(server.folder, name)) as [string, string];
    mkdirSync(here);
    for (let index = 0; index < 300; index += 1) writeFileSync(join(here, String(index)), randomBytes(500));
    const rsyncing = new Ssh(join(__dirname, "..", "..", "..", "sdk", "dist", "provider", "rsync-shell.js"));
    const request = { direction: "up", localPath: here, remotePath: there, exclude: [], removes: false } as const;
    await rsyncing.sync(endpoint(), request, soon());
    await rsyncing.close();
    const [program] = events("began").filter(({ kind }) => kind === "program");
    const end = events("ended").find(({ session }) => session === program?.["session"]);
    expect(Number(end?.["bytesSent"])).toBeGreaterThan(150_000);
    expect(Number(end?.["bytesReceived"])).toBeGreaterThan(10);
    await ssh.exec(endpoint(), { command: "wc -c", stdin: Readable.from([Buffer.alloc(9), "ä"]) }, soon());
    expect(events("ended").at(-1)).toMatchObject({ exitCode: 0, bytesSent: 11, bytesReceived: 3 });
  });

  test("of a program of OpenSSH's has its key, and its command as it was typed", () => {
    const program = { kind: "ssh", to: "root@127.0.0.1:22", key: "SHA256:x", command: "echo word" };
    const end = recordProgram({ file, resource: "mayfly ssh" }, program);
    end({ exitCode: 255 });
    const { command: _, ...shown } = program;
    expect(events("began")).toEqual([
      expect.objectContaining({ ...shown, text: "echo word", length: 9, resource: "mayfly ssh" }),
    ]);
    expect(events("ended")).toEqual([expect.objectContaining({ session: 1, exitCode: 255 })]);
    recordProgram({ file, resource: "mayfly ssh" }, { ...program, command: "x".repeat(999) });
    expect(events("began").at(-1)).toMatchObject({ text: `${"x".repeat(200)}…`, length: 999 });
  });

  test("with a key in an agent names the key that the server took", async () => {
    await using agent = await SshAgent.start();
    agent.add("another");
    writeFileSync(join(agent.socket, "..", "mine"), server.read("user"), { mode: 0o600 });
    const { execFileSync } = await import("node:child_process");
    execFileSync("ssh-add", ["-q", join(agent.socket, "..", "mine")], { env: { SSH_AUTH_SOCK: agent.socket } });
    const by = { ...endpoint(), privateKey: undefined, agentSocketPath: agent.socket };
    await ssh.exec(by, { command: "true" }, soon());
    const { fingerprint } = await ssh.parseKey({ privateKey: server.read("user") });
    expect(events("connected")).toEqual([expect.objectContaining({ key: fingerprint })]);
  });
});

test("the last line is there also when the process ends with its connections open", async () => {
  await ssh.exec(endpoint(), { command: "true" }, soon());
  expect(events("disconnected")).toEqual([]);
  ssh.recordEnd();
  expect(events("disconnected")).toEqual([expect.objectContaining({ reason: "the program that held it ended" })]);
  await ssh.close();
  expect(events("disconnected")).toHaveLength(1); // not a second time
});

test("a host that is no machine of ours has no log, though it is the same connection", async () => {
  await ssh.exec(server.endpoint, { command: "true" }, soon());
  expect(existsSync(file)).toBe(false);
  const before = server.logins;
  await ssh.exec(endpoint(), { command: "true" }, soon());
  expect(server.logins).toBe(before);
  expect(events("connected")).toHaveLength(1);
});

test("it stays small: at 1 MiB it makes place, and the file before is kept", async () => {
  const old = "x".repeat(1_048_570);
  writeFileSync(file, `${old}\n`);
  await ssh.exec(endpoint(), { command: "true" }, soon());
  expect(readFileSync(`${file}.1`, "utf8")).toBe(`${old}\n`);
  expect(lines().map(({ event }) => event)).toEqual(["connected", "began", "ended"]);
});

test("a log that can't be written fails no command, and a machine's folder that is gone does not come back", async () => {
  rmSync(folder, { recursive: true });
  expect((await ssh.exec(endpoint(), { command: "echo x" }, soon())).stdout).toBe("x\n");
  expect(existsSync(folder)).toBe(false);
});
