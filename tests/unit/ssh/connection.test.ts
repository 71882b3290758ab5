import { writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { userInfo } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "@jest/globals";
import type { MayflyError } from "../../../provider/errors";
import { Ssh, type Endpoint } from "../../../provider/ssh/ssh";
import { RawServer } from "../../support/raw-server";
import { freePort, Sshd } from "../../support/sshd";

const ssh = new Ssh();
const soon = () => AbortSignal.timeout(30_000);
const user = userInfo().username;

afterEach(() => ssh.close());

async function failureOf(endpoint: Endpoint, signal = soon()): Promise<MayflyError> {
  const error: unknown = await ssh.exec(endpoint, { command: "true" }, signal).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(Error);
  return error as MayflyError;
}

async function otherKey(): Promise<{ publicKey: string; privateKey: string; fingerprint: string }> {
  return ssh.makeKey({ algorithm: "ed25519" });
}

describe("the host key", () => {
  test.each(["ed25519", "ecdsa", "rsa"] as const)("of the kind %s is checked", async (hostKeyType) => {
    await using server = await Sshd.start({ hostKeyType });
    await ssh.login(server.endpoint, soon());
    await ssh.close();

    const other = await ssh.makeKey({ algorithm: hostKeyType });
    const before = server.connections;
    const { code, message } = await failureOf({ ...server.endpoint, hostKey: other.publicKey });
    expect(server.connections - before).toBe(1); // whoever is not the pinned one is not asked again
    expect(code).toBe("HOST_KEY_MISMATCH");
    expect(message).toContain(`${user}@127.0.0.1:${String(server.port)} is not the host that was pinned`);
    expect(message).toContain(other.fingerprint);
    const { fingerprint } = await ssh.parseKey({ privateKey: server.read("host") });
    expect(message).toContain(fingerprint);
    expect(server.logins).toBe(1);
  });

  test("of another kind than the pinned one is never even asked for", async () => {
    await using server = await Sshd.start({ hostKeyType: "ecdsa" });
    const { publicKey, fingerprint } = await otherKey();
    const { code, message } = await failureOf({ ...server.endpoint, hostKey: publicKey });
    expect(code).toBe("HOST_KEY_MISMATCH");
    expect(message).toContain(`expected ssh-ed25519 ${fingerprint}\nit shows no ssh-ed25519 key at all`);
  });

  test("has to be a key", async () => {
    expect(await failureOf({ host: "h", hostKey: "nonsense" })).toMatchObject({ code: "BAD_KEY" });
    expect(await failureOf({ host: "h", hostKey: "ssh-ed25519 AAAAB3NzaC1yc2E=" })).toMatchObject({ code: "BAD_KEY" });
  });
});

describe("the login", () => {
  test("with a key that is not authorized is refused, at once, and says which key", async () => {
    await using server = await Sshd.start();
    const { privateKey, fingerprint } = await otherKey();
    const before = server.connections;
    const { code, message } = await failureOf({ ...server.endpoint, privateKey });
    expect(code).toBe("CONNECT_FAILED");
    expect(message).toContain(`refused the login of ${user}\ntried the key ${fingerprint}`);
    expect(message).toContain(`~${user}/.ssh/authorized_keys`);
    expect(server.connections - before).toBe(1);
  });

  test.each(["ed25519", "ecdsa"] as const)("with an %s key sends its signature at once", async (algorithm) => {
    const { publicKey, privateKey } = await ssh.makeKey({ algorithm });
    await using server = await Sshd.start();
    writeFileSync(join(server.folder, "user.pub"), publicKey);
    await ssh.login({ ...server.endpoint, privateKey }, soon());
    expect(server.logins).toBe(1);
    expect(server.log).not.toContain("Postponed publickey"); // said of a key that is only asked for
  });

  test("with a wrong password says that it was tried, and does not show it", async () => {
    await using server = await Sshd.start({ config: ["PasswordAuthentication yes"] });
    const { message } = await failureOf({ ...server.endpoint, privateKey: undefined, password: "geheim1" });
    expect(message).toContain("tried the password");
    expect(message).not.toContain("geheim1");
  });

  test("with nothing, with a key that can't be read, with an agent that is not there", async () => {
    await using server = await Sshd.start();
    const nothing = { ...server.endpoint, privateKey: undefined };
    expect((await failureOf(nothing)).message).toContain("set privateKey, password or agentSocketPath");
    const unreadable = await failureOf({ ...nothing, privateKey: "geheim1" });
    expect(unreadable).toMatchObject({ code: "BAD_KEY" });
    expect(unreadable.message).not.toContain("geheim1");
    const noAgent = await failureOf({ ...nothing, agentSocketPath: "/no/agent" });
    expect(noAgent.message).toContain("tried the keys of the agent /no/agent");
    expect(noAgent.message).toContain("Failed to connect to agent");
  });

  test("takes an encrypted key with its passphrase", async () => {
    await using server = await Sshd.start();
    const { execFileSync } = await import("node:child_process");
    execFileSync("ssh-keygen", ["-q", "-p", "-N", "secret", "-a", "2", "-f", `${server.folder}/user`]);
    expect((await failureOf(server.endpoint)).message).toContain("is encrypted and no passphrase was given");
    await ssh.login({ ...server.endpoint, privateKeyPassword: "secret" }, soon());
  });

  test("by an agent, when one is named", async () => {
    await using server = await Sshd.start();
    const { execFileSync, spawn } = await import("node:child_process");
    const agentSocketPath = `${server.folder}/agent`;
    const agent = spawn("ssh-agent", ["-D", "-a", agentSocketPath], { stdio: "ignore" });
    try {
      for (let ready = false; !ready;)
        ready = await new Promise((resolve) => {
          connect(agentSocketPath)
            .once("connect", function (this: Socket) {
              this.destroy();
              resolve(true);
            })
            .once("error", () => setImmediate(resolve, false));
        });
      const env = { ...process.env, SSH_AUTH_SOCK: agentSocketPath };
      execFileSync("ssh-add", ["-q", `${server.folder}/user`], { env, stdio: "ignore" });
      await ssh.login({ ...server.endpoint, privateKey: undefined, agentSocketPath }, soon());
    } finally {
      agent.kill();
    }
  });

  test("leaves a connection that the next command uses", async () => {
    await using server = await Sshd.start();
    await ssh.login(server.endpoint, soon());
    await ssh.exec(server.endpoint, { command: "true" }, soon());
    expect(server.logins).toBe(1);
  });

  test("of a machine that still boots is tried again", async () => {
    await using server = await Sshd.start();
    await server.kill();
    const login = ssh.login({ ...server.endpoint, dialErrorLimit: -1 }, soon());
    setTimeout(() => void server.restart(), 700);
    await login;
  });

  test("of a new machine outlasts the attempts at one login, but not a refusal", async () => {
    await using server = await Sshd.start();
    await server.kill();
    const impatient = { ...server.endpoint, dialErrorLimit: 1 };
    await expect(ssh.login(impatient, soon())).rejects.toMatchObject({ code: "CONNECT_FAILED" });
    const login = ssh.loginToNew(impatient, soon());
    setTimeout(() => void server.restart(), 700);
    await login;
    const { privateKey } = await otherKey();
    await expect(ssh.loginToNew({ ...impatient, privateKey }, soon())).rejects.toThrow("refused the login");
  });
});

describe("a host that can't be reached", () => {
  test("says how often, how long, why, and what to do", async () => {
    const port = await freePort();
    const { publicKey: hostKey } = await otherKey();
    const { code, message } = await failureOf({ host: "127.0.0.1", port, user: "me", hostKey, dialErrorLimit: 3 });
    expect(code).toBe("CONNECT_FAILED");
    const said = new RegExp(
      `^cannot connect to me@127\\.0\\.0\\.1:${String(port)}\n` +
        `3 attempts in \\d\\.\\d s; the last one: connect ECONNREFUSED 127\\.0\\.0\\.1:${String(port)}\n` +
        "To fix: nothing listens there",
    );
    expect(message).toMatch(said);
  });

  test("that accepts and says nothing is given up attempt by attempt", async () => {
    await using hanging = await RawServer.start();
    const { publicKey: hostKey } = await otherKey();
    const limits = { dialErrorLimit: 2, perDialTimeout: 0.3 };
    const { message } = await failureOf({ host: "127.0.0.1", port: hanging.port, hostKey, ...limits });
    expect(message).toContain("2 attempts");
    expect(message).toContain("timed out after 0.3 s");
    expect(hanging.accepted).toBe(2);
  });

  test("that is no SSH server, or hangs up", async () => {
    const { publicKey: hostKey } = await otherKey();
    for (const onSocket of [
      (socket: Socket) => void socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"),
      (socket: Socket) => void socket.destroy(),
    ]) {
      await using server = await RawServer.start(onSocket);
      const failure = await failureOf({ host: "127.0.0.1", port: server.port, hostKey, dialErrorLimit: 2 });
      expect(failure).toMatchObject({ code: "CONNECT_FAILED" });
      expect(failure.message).toContain("the other side hangs up");
    }
  });

  test("ends with the signal, and with its reason", async () => {
    await using hanging = await RawServer.start();
    const { publicKey: hostKey } = await otherKey();
    const reason = new Error("enough");
    const controller = new AbortController();
    setTimeout(() => {
      controller.abort(reason);
    }, 200);
    const endpoint = { host: "127.0.0.1", port: hanging.port, hostKey, dialErrorLimit: -1, perDialTimeout: 0 };
    expect(await failureOf(endpoint, controller.signal)).toBe(reason);
  });
});

describe("through a proxy", () => {
  test("a command runs on the far server; host keys of both are checked", async () => {
    await using near = await Sshd.start();
    await using far = await Sshd.start();
    const endpoint = { ...far.endpoint, proxy: near.endpoint };
    const { stdout } = await ssh.exec(endpoint, { command: "echo $SSH_CONNECTION" }, soon());
    expect(stdout.trim().split(" ")[3]).toBe(String(far.port));
    expect([near.logins, far.logins]).toEqual([1, 1]);
    await Promise.all(Array.from({ length: 20 }, () => ssh.exec(endpoint, { command: "true" }, soon())));
    expect([near.logins, far.logins]).toEqual([1, 1]);

    const { publicKey: hostKey } = await otherKey();
    const wrongNear = await failureOf({ ...endpoint, proxy: { ...near.endpoint, hostKey } });
    expect(wrongNear).toMatchObject({ code: "HOST_KEY_MISMATCH" });
    expect(wrongNear.message).toContain(`:${String(near.port)} is not`);
    const wrongFar = await failureOf({ ...endpoint, hostKey });
    expect(wrongFar).toMatchObject({ code: "HOST_KEY_MISMATCH" });
    expect(wrongFar.message).toContain(`:${String(far.port)} is not`);
  });

  test("both may have ChaCha20, which an emulated guest of this host has in any case", async () => {
    await using near = await Sshd.start({ logLevel: "DEBUG1" });
    await using far = await Sshd.start({ config: ["Ciphers chacha20-poly1305@openssh.com"] });
    const [size, stdin] = [3_000_000, Buffer.alloc(200_000)];
    const command = `head -c ${String(size)} /dev/zero | tr '\\0' x; wc -c`;
    const proxy = { ...near.endpoint, isEmulated: true };
    const { stdout } = await ssh.exec({ ...far.endpoint, proxy }, { command, stdin }, soon());
    expect(stdout.slice(size)).toBe("200000\n");
    const ciphers = [...near.log.matchAll(/cipher: (\S+)/g)].map(([, cipher]) => cipher);
    expect([...new Set(ciphers)]).toEqual(["chacha20-poly1305@openssh.com"]);
  });

  test("that forbids it, or behind which nobody answers, says so", async () => {
    await using near = await Sshd.start({ config: ["AllowTcpForwarding no"] });
    await using open = await Sshd.start();
    const target = { ...open.endpoint, dialErrorLimit: 2 };
    expect((await failureOf({ ...target, proxy: near.endpoint })).message).toContain("AllowTcpForwarding");
    const nobody = { ...target, port: await freePort(), proxy: open.endpoint };
    expect((await failureOf(nobody)).message).toContain("Connection refused");
  });

  test("that dies takes the connection with it, and the next command comes through again", async () => {
    await using near = await Sshd.start();
    await using far = await Sshd.start();
    const endpoint = { ...far.endpoint, proxy: near.endpoint };
    const running = ssh.exec(endpoint, { command: "sleep 60" }, soon());
    const ended = expect(running).rejects.toMatchObject({ code: "COMMAND_FAILED" });
    await ssh.exec(endpoint, { command: "true" }, soon());
    await near.kill();
    await ended;
    await near.restart();
    expect((await ssh.exec(endpoint, { command: "echo back" }, soon())).stdout).toBe("back\n");
  });
});
