import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { identifyProcess, isAlive } from "../../../provider/host/process-identity";
import { until } from "../../../provider/host/until";
import { spell } from "../../../provider/ssh/tunnel-spec";
import { failureOf } from "../../support/context";
import { freePort, Sshd } from "../../support/sshd";
import { answers, dial, portOf, say, TestTunnel, wait } from "../../support/tunnel";

const execute = promisify(execFile);

let server: Sshd;
let tunnel: TestTunnel;

beforeAll(async () => {
  server = await Sshd.start();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});
beforeEach(async () => {
  tunnel = await TestTunnel.start(server.endpoint);
});
afterEach(async () => {
  await tunnel[Symbol.asyncDispose]();
});

test("what goes through forwards is in the session log: which one, from where to where, how much", async () => {
  const file = join(tunnel.home, "sessions.jsonl");
  tunnel.site = { ...tunnel.site, endpoint: { ...server.endpoint, log: { file, resource: "whoever" } } };
  const local = await tunnel.open(tunnel.local());
  const remote = await tunnel.open(tunnel.remote());
  await say(local, "12345");
  await say(remote, "123");
  const lines = () =>
    readFileSync(file, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  const of = (event: string) => lines().filter((line) => line["event"] === event);
  await until("both are over", () => Promise.resolve(of("ended").length === 2 || undefined), wait());
  const echo = spell(tunnel.echoPlace);
  expect(of("connected")).toHaveLength(1);
  expect(of("began")).toEqual([
    expect.objectContaining({ kind: "forward", resource: "web", type: "local", listen: spell(local), to: echo }),
    expect.objectContaining({ kind: "forward", resource: "api", type: "remote", listen: spell(remote), to: echo }),
  ]);
  expect(of("ended")).toEqual([
    expect.objectContaining({ session: 1, bytesSent: 5, bytesReceived: 5 }),
    expect.objectContaining({ session: 2, bytesSent: 3, bytesReceived: 3 }),
  ]);
  await tunnel.close("web-1");
  await tunnel.close("api-1");
  await tunnel.keeperEnds();
  expect(of("disconnected")).toHaveLength(1);
});

describe("a local forward", () => {
  test("carries both directions, an end of one being no end of the other", async () => {
    const place = await tunnel.open(tunnel.local());
    expect(place).toEqual({ address: "127.0.0.1", port: expect.any(Number) });
    expect(await say(place)).toBe("hello");
    const much = "x".repeat(5_000_000);
    expect(await say(place, much)).toBe(much);
  });

  test("outlives whoever asked for it: it is nobody's child", async () => {
    await tunnel.open(tunnel.local());
    const { pid } = tunnel.keeper;
    const stat =
      readFileSync(`/proc/${String(pid)}/stat`, "utf8")
        .split(") ")[1]
        ?.split(" ") ?? [];
    expect(stat[2]).toBe(String(pid)); // leads a process group of its own, and a session
    expect(stat[3]).toBe(String(pid));
    expect(readFileSync(`/proc/${String(pid)}/cmdline`, "utf8")).not.toContain("PRIVATE KEY");
    expect(await tunnel.tunnels.has(tunnel.folder, "web-1")).toBe(true);
  });

  test("refuses at once where nobody listens in the guest", async () => {
    const place = await tunnel.open(tunnel.local({ guest: { address: "127.0.0.1", port: await freePort() } }));
    const socket = dial(place);
    expect(await failureOf(once(socket, "close").then(() => text(socket)))).toMatchObject({ code: "ECONNRESET" });
  });

  test("at a port that is taken is an error that says so", async () => {
    const { port } = tunnel.echoPlace as { port: number };
    const error = await failureOf(tunnel.open(tunnel.local({ host: { address: "127.0.0.1", port } })));
    expect(error).toMatchObject({ code: "PORT_TAKEN" });
    expect(error.message).toMatch(
      new RegExp(`^127\\.0\\.0\\.1:${String(port)} is taken on this host\n.*\nTo fix: .*ss -ltnp`),
    );
    expect(tunnel.record).toBeUndefined();
  });

  test("between unix sockets, in folders with long names", async () => {
    const guest = { socket: join(tunnel.home, "guest.sock") };
    const other = createServer((socket) => socket.end("from the guest")).listen(guest.socket);
    try {
      const host = { socket: join(tunnel.home, "host.sock") };
      expect(await tunnel.open(tunnel.local({ host, guest }))).toEqual(host);
      expect(await say(host)).toBe("from the guest");
      await tunnel.close("web-1");
      expect(existsSync(host.socket)).toBe(false);
    } finally {
      other.close();
    }
  });

  test("takes the place of a socket that a dead process has left, not of a living one's", async () => {
    const host = { socket: join(tunnel.home, "host.sock") };
    const script = `require("net").createServer().listen(process.argv[1],()=>process.kill(process.pid,"SIGKILL"))`;
    await execute(process.execPath, ["-e", script, host.socket]).catch(() => undefined);
    expect(existsSync(host.socket)).toBe(true);
    await tunnel.open(tunnel.local({ host }));
    expect(await say(host)).toBe("hello");
    const second = tunnel.open(tunnel.local({ id: "x", owner: "x", host }));
    expect(await failureOf(second)).toMatchObject({ code: "PORT_TAKEN" });
    expect(await say(host)).toBe("hello");
  });
});

test("a socket in a folder that is not there is an error that says so", async () => {
  const host = { socket: join(tunnel.home, "nowhere", "host.sock") };
  const error = await failureOf(tunnel.open(tunnel.local({ host })));
  expect(error).toMatchObject({
    code: "BAD_INPUT",
    message: expect.stringMatching(/nowhere\/host\.sock does not exist[^]*mkdir -p -m 700/),
  });
});

describe("a remote forward", () => {
  test("lets the guest reach this host", async () => {
    const place = await tunnel.open(tunnel.remote());
    expect(portOf(place)).toBeGreaterThan(0);
    expect(await say(place)).toBe("hello");
    await tunnel.close("api-1");
    expect(await failureOf(say(place))).toMatchObject({ code: "ECONNREFUSED" });
  });

  test("at a port that is taken in the guest is an error that says so", async () => {
    const error = await failureOf(tunnel.open(tunnel.remote({ guest: tunnel.echoPlace })));
    expect(error).toMatchObject({
      code: "PORT_TAKEN",
      message: expect.stringMatching(/the VM's SSH server can't listen at 127\.0\.0\.1:/),
    });
  });

  test("by a unix socket, which is gone when it is gone", async () => {
    const guest = { socket: join(tunnel.home, "guest.sock") };
    expect(await tunnel.open(tunnel.remote({ guest }))).toEqual(guest);
    expect(await say(guest)).toBe("hello");
    await tunnel.close("api-1");
    expect(existsSync(guest.socket)).toBe(false);
  });
});

describe("one process", () => {
  test("keeps all forwards of a machine, over one connection, and ends with the last", async () => {
    const before = server.logins;
    const forwards = [
      tunnel.local(),
      tunnel.local({ id: "b", owner: "b" }),
      tunnel.remote(),
      tunnel.remote({ id: "d", owner: "d" }),
    ];
    const places = await Promise.all(forwards.map((forward) => tunnel.open(forward)));
    const [first = { socket: "" }] = places;
    const { keeper } = tunnel;
    expect(await Promise.all(places.map((place) => say(place)))).toEqual(places.map(() => "hello"));
    expect(server.logins - before).toBe(1);
    expect(tunnel.record?.forwards.map(({ id }) => id).sort()).toEqual(["api-1", "b", "d", "web-1"]);

    for (const { id } of forwards.slice(1)) await tunnel.close(id);
    expect(await say(first)).toBe("hello");
    await tunnel.close("web-1");
    expect(isAlive(keeper)).toBe(false);
    expect(readdirSync(join(tunnel.home, "machine"))).toEqual([]);
    await tunnel.close("web-1");
    expect(await failureOf(say(first))).toMatchObject({ code: "ECONNREFUSED" });
  });

  test("does not outlive whom its forwards are for, when that is killed", async () => {
    const user = spawn("sleep", ["600"]);
    try {
      await once(user, "spawn");
      await tunnel.open(tunnel.local({ endsWith: identifyProcess(user.pid ?? 0) }));
      expect(await tunnel.tunnels.has(tunnel.folder, "web-1")).toBe(true);
    } finally {
      user.kill("SIGKILL");
    }
    await tunnel.keeperEnds();
  });

  test("ends when the machine's folder goes", async () => {
    const host = { socket: join(tmpdir(), `mayfly-${String(process.pid)}.sock`) };
    await tunnel.open(tunnel.local({ host }));
    rmSync(join(tunnel.home, "machine"), { recursive: true });
    await tunnel.keeperEnds();
    expect(existsSync(host.socket)).toBe(false);
  });

  test("is not left behind when the first forward fails", async () => {
    tunnel.site = { ...tunnel.site, endpoint: { ...server.endpoint, user: "no-such-user" } };
    const error = await failureOf(tunnel.open(tunnel.local()));
    expect(error).toMatchObject({ code: "CONNECT_FAILED", message: expect.stringMatching(/refused the login/) });
    expect(error.message).not.toContain("PRIVATE KEY");
    expect(tunnel.record).toBeUndefined();
  });

  test("that was killed is started again, with all forwards at their ports", async () => {
    const first = await tunnel.open(tunnel.local());
    const second = await tunnel.open(tunnel.remote({ guest: { socket: join(tunnel.home, "guest.sock") } }));
    await tunnel.kill();
    expect(await tunnel.tunnels.has(tunnel.folder, "web-1")).toBe(false);
    await until(
      "it is dead",
      async () => ((await tunnel.tunnels.has(tunnel.folder, "web-1")) ? undefined : true),
      wait(),
    );
    expect(await answers(first)).toBeUndefined();

    expect(await tunnel.open(tunnel.local())).toEqual(first);
    expect(await say(first)).toBe("hello");
    await until("the other one is back", () => answers(second), wait());
    expect(await tunnel.tunnels.has(tunnel.folder, "api-1")).toBe(true);
  });

  test("that was killed leaves nothing once its forwards are given up", async () => {
    await tunnel.open(tunnel.local());
    await tunnel.kill();
    expect(await tunnel.tunnels.has(tunnel.folder, "web-1")).toBe(false);
    await until(
      "it is dead",
      async () => ((await tunnel.tunnels.has(tunnel.folder, "web-1")) ? undefined : true),
      wait(),
    );
    await tunnel.close("web-1");
    expect(readdirSync(join(tunnel.home, "machine"))).toEqual([]);
  });
});

describe("a connection that breaks", () => {
  test("is made again, and the ports stay bound meanwhile", async () => {
    await using own = await Sshd.start();
    tunnel.site = { ...tunnel.site, endpoint: own.endpoint };
    const first = await tunnel.open(tunnel.local());
    const places = [
      first,
      await tunnel.open(tunnel.remote()),
      await tunnel.open(tunnel.remote({ id: "s", owner: "s", guest: { socket: join(tunnel.home, "g.sock") } })),
    ];
    await own.kill();
    const early = say(first); // waits for the guest to come back
    const taken = createServer().listen(portOf(first), "127.0.0.1");
    const [error] = (await once(taken, "error")) as [NodeJS.ErrnoException];
    expect(error.code).toBe("EADDRINUSE");
    await own.restart();
    expect(await early).toBe("hello");
    for (const place of places) await until("it answers", () => answers(place), wait());
  });

  test("comes back with another key, when the first one is not taken any more", async () => {
    await using own = await Sshd.start();
    const privateKeyFile = join(tunnel.home, "key");
    writeFileSync(privateKeyFile, own.read("user"));
    tunnel.site = { ...tunnel.site, endpoint: { ...own.endpoint, privateKey: undefined }, privateKeyFile };
    const place = await tunnel.open(tunnel.local());
    expect(readFileSync(join(tunnel.folder, "tunnel.json"), "utf8")).not.toContain("PRIVATE KEY");
    await own.kill();
    for (const name of ["user", "user.pub"]) rmSync(join(own.folder, name));
    await execute("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(own.folder, "user")]);
    await own.restart();
    writeFileSync(privateKeyFile, own.read("user"));
    await until("it answers", () => answers(place), wait());
  });
});

describe("made anew for the same resource", () => {
  test("it takes the former's place and port, under its new name", async () => {
    const place = await tunnel.open(tunnel.local());
    expect(await tunnel.open(tunnel.local({ id: "web-2" }))).toEqual(place);
    expect(await tunnel.tunnels.has(tunnel.folder, "web-1")).toBe(false);
    await tunnel.close("web-1"); // as Pulumi does with what was replaced
    expect(await say(place)).toBe("hello");
  });

  test("it keeps the port that it had elsewhere, if that is free", async () => {
    const port = await freePort();
    expect(portOf(await tunnel.open(tunnel.local(), port))).toBe(port);
    expect(portOf(await tunnel.open(tunnel.local({ id: "b", owner: "b" }), port))).not.toBe(port);
    const inGuest = await freePort();
    expect(portOf(await tunnel.open(tunnel.remote(), inGuest))).toBe(inGuest);
  });
});

test("a second tunnel's folder depends on the host and the user, not on the key", async () => {
  const folder = await tunnel.tunnels.folderFor(server.endpoint);
  expect(await tunnel.tunnels.folderFor({ ...server.endpoint, privateKey: "other" })).toBe(folder);
  expect(await tunnel.tunnels.folderFor({ ...server.endpoint, user: "other" })).not.toBe(folder);
});
