import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { until } from "../../../provider/host/until";
import { countFailedLogins, loginIn, renderServerLog, ServerLogReader } from "../../../provider/ssh/server-log";
import { Ssh } from "../../../provider/ssh/ssh";
import { Sshd } from "../../support/sshd";

/** Reads a log as the guest prints it. */
function read(text: string): ReturnType<ServerLogReader["read"]>[] {
  const reader = new ServerLogReader();
  return text.split("\n").flatMap((line) => reader.read(line) ?? []);
}

describe("a line of the log", () => {
  const now = Date.parse("2026-01-02T00:00:00Z") / 1_000;

  test.each([
    ["journald", "1767312000.500000 dev sshd[17]: Accepted x", "2026-01-02T00:00:00.500Z"],
    ["rsyslog", "2026-01-02T01:00:00.250000+01:00 dev sshd-session[17]: Accepted x", "2026-01-02T00:00:00.250Z"],
    [
      "the traditional form, by the guest's clock",
      "Jan  2 02:00:00 dev sshd[17]: Accepted x",
      "2026-01-02T00:00:00.000Z",
    ],
    [
      "busybox, of the year before",
      "Dec 31 02:00:01 dev auth.info mayfly-sshd[17]: Accepted x",
      "2025-12-31T00:00:01.000Z",
    ],
  ])("of %s", (_, line, time) => {
    const lines = read(`now ${String(now)} 999999 +0200\n${line}\nJan  2 02:00:00 dev cron[18]: nothing of ours`);
    expect(lines).toEqual([{ time: Date.parse(time), pid: 17, message: "Accepted x" }]);
  });

  test("from before the guest's boot is none", () => {
    const line = (second: number) => `${String(now - second)}.000000 dev sshd[1]: x`;
    expect(read([`now ${String(now)} 60 +0000`, line(70), line(50)].join("\n"))).toHaveLength(1);
  });
});

describe("failed logins", () => {
  const lines = (...messages: [pid: number, message: string][]) =>
    messages.map(([pid, message], index) => ({ time: index, pid, message }));

  test("are counted by connection, user and address, the most frequent first", () => {
    const counts = countFailedLogins(
      lines(
        [1, "Invalid user bob from 10.0.2.100 port 1"],
        [1, "Failed password for invalid user bob from 10.0.2.100 port 1 ssh2"],
        [1, "Failed password for invalid user bob from 10.0.2.100 port 1 ssh2"],
        [1, "Connection closed by invalid user bob 10.0.2.100 port 1 [preauth]"],
        [2, "Connection closed by authenticating user root 10.80.0.7 port 2 [preauth]"],
        [3, "error: maximum authentication attempts exceeded for root from 10.80.0.7 port 3 ssh2 [preauth]"],
        [3, "Disconnecting authenticating user root 10.80.0.7 port 3: Too many authentication failures [preauth]"],
        [4, "Failed password for ann from 10.0.2.100 port 4 ssh2"],
        [4, "Accepted password for ann from 10.0.2.100 port 4 ssh2"],
        [5, "Connection closed by 10.0.2.100 port 5 [preauth]"], // a port scan is no login
      ),
    );
    expect(counts).toEqual([
      { user: "root", address: "10.80.0.7", count: 2, last: 6 },
      { user: "bob", address: "10.0.2.100", count: 1, last: 3 },
    ]);
  });

  test("a name that looks like more of the line is a name", () => {
    expect(loginIn("Failed none for invalid user x from 1.1.1.1 port 1 from 10.0.0.2 port 7 ssh2")).toEqual({
      ...{ kind: "failed", user: "x from 1.1.1.1 port 1", address: "10.0.0.2", port: 7 },
    });
  });
});

describe("what OpenSSH's own server says", () => {
  let server: Sshd;
  const ssh = new Ssh();
  const soon = () => AbortSignal.timeout(30_000);

  beforeAll(async () => {
    server = await Sshd.start();
  });
  afterAll(async () => {
    await ssh.close();
    await server[Symbol.asyncDispose]();
  });

  test("of a login, and of ones that fail", async () => {
    await ssh.exec(server.endpoint, { command: "true" }, soon());
    const { privateKey } = await ssh.makeKey({ algorithm: "ed25519" });
    for (const user of [server.endpoint.user, "nobody-there"])
      await expect(
        ssh.exec({ ...server.endpoint, user, privateKey }, { command: "true" }, soon()),
      ).rejects.toMatchObject({
        code: "CONNECT_FAILED",
      });
    const seen = () => server.log.split("\n").flatMap((message) => loginIn(message.trim()) ?? []);
    const users = () =>
      seen()
        .filter(({ kind }) => kind === "failed")
        .map(({ user }) => user);
    const isThere = () => Promise.resolve(users().includes("nobody-there") || undefined);
    await until("sshd has told", isThere, { signal: soon(), interval: 20, diagnose: () => ({ remedy: server.log }) });
    expect(users()).toContain(server.endpoint.user);
    const { fingerprint } = await ssh.parseKey({ privateKey: server.endpoint.privateKey });
    expect(seen()[0]).toMatchObject({
      kind: "accepted",
      user: server.endpoint.user,
      address: "127.0.0.1",
      key: fingerprint,
    });
  });

  test("is asked for in the words of every shell", () => {
    for (const follow of [true, false])
      for (const shell of [["dash"], ["bash", "--posix"], ["busybox", "sh"]])
        execFileSync(shell[0] ?? "", [...shell.slice(1), "-n", "-c", renderServerLog(follow)]);
  });
});
