import { execFile } from "node:child_process";
import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { Ssh } from "../../../provider/ssh/ssh";
import { Sshd } from "../../support/sshd";

const execute = promisify(execFile);
const ssh = new Ssh();
const HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHgjjzPEfLFGFRF4PnqzcGPB7SSVZqTZTExHStvJPCY2 root@somewhere";
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), `mayfly "50% \\config' `));
});
afterAll(() => rm(folder, { recursive: true }));

/** What the real `ssh` reads in a configuration. */
async function understood(text: string, alias: string): Promise<Map<string, string>> {
  const file = join(folder, "config");
  await writeFile(file, text, { mode: 0o600 });
  const { stdout } = await execute("ssh", ["-G", "-F", file, alias]);
  return new Map(stdout.split("\n").map((line) => [line.split(" ")[0] ?? "", line.slice(line.indexOf(" ") + 1)]));
}

test("OpenSSH reads each option as meant, odd paths included", async () => {
  const [identityFile, knownHostsFile] = [join(folder, "id"), join(folder, "known_hosts")];
  const machine = { alias: "web-1", host: "127.0.0.1", port: 2_222, user: "root", identityFile, knownHostsFile };
  const options = await understood(ssh.renderClientConfig(machine), "web-1");
  expect(Object.fromEntries(options)).toMatchObject({
    hostname: "127.0.0.1",
    port: "2222",
    user: "root",
    hostkeyalias: "web-1",
    identityfile: identityFile.replaceAll("%", "%%"), // ssh prints this one before it replaces `%%`
    identitiesonly: "yes",
    identityagent: "none",
    userknownhostsfile: knownHostsFile,
    globalknownhostsfile: "none",
    stricthostkeychecking: "true",
    updatehostkeys: "false",
    connecttimeout: "60",
    passwordauthentication: "no",
    kbdinteractiveauthentication: "no",
    loglevel: "ERROR",
  });
});

test("a guest of this host's whose CPU is emulated is spared the dearest key exchange, no other host is", async () => {
  const machine = { alias: "web", host: "127.0.0.1", port: 22, user: "me", identityFile: "/k", knownHostsFile: "/h" };
  const offered = async (more: object) =>
    (await understood(ssh.renderClientConfig({ ...machine, ...more }), "web")).get("kexalgorithms");
  expect(await offered({ isEmulated: true })).toMatch(/^curve25519-sha256,(?!.*sntrup).*nistp256/);
  const usual = await offered({ isEmulated: false });
  expect(usual).toContain("sntrup761");
  expect(await offered({ isEmulated: true, host: "192.0.2.7" })).toBe(usual);
});

test("other hosts of the same file are left alone", async () => {
  const machine = { alias: "web", host: "::1", port: 22, user: "me", identityFile: "/k", knownHostsFile: "/h" };
  const text = ssh.renderClientConfig(machine);
  expect((await understood(text, "web")).get("hostname")).toBe("::1");
  expect((await understood(text, "web2")).get("identityfile")).not.toBe("/k");
  const scoped = ssh.renderClientConfig({ ...machine, host: "fe80::1%eth0" });
  expect((await understood(scoped, "web")).get("hostname")).toBe("fe80::1%eth0");
});

test.each([
  ["alias", "a b"],
  ["alias", "*"],
  ["alias", "-oProxyCommand=x"],
  ["alias", "a\nProxyCommand x"],
  ["user", 'a"b'],
  ["identityFile", "/tmp/${HOME}/x"],
  ["knownHostsFile", "/tmp/x\nProxyCommand y"],
])("refuses what ssh_config has no way to write: %s %j", (field, value) => {
  const machine = { alias: "web", host: "h", port: 22, user: "u", identityFile: "/k", knownHostsFile: "/h" };
  expect(() => ssh.renderClientConfig({ ...machine, [field]: value })).toThrow("can't be written");
});

test("known_hosts holds the alias and the key, and nothing of the key's options or comment", () => {
  expect(ssh.renderKnownHosts("web", HOST_KEY)).toBe(`web ${HOST_KEY.split(" ").slice(0, 2).join(" ")}\n`);
  expect(() => ssh.renderKnownHosts("web", "ssh-ed25519 AAAA")).toThrow("no public key");
});

test("the real ssh logs in by name, and refuses a server with another key", async () => {
  await using server = await Sshd.start();
  const { hostKey } = server.endpoint;
  const [identityFile, knownHostsFile] = [join(folder, "login key"), join(folder, "pinned")];
  await copyFile(join(server.folder, "user"), identityFile);
  const file = join(folder, "login config");
  const machine = {
    alias: "web",
    host: "127.0.0.1",
    port: server.port,
    user: userInfo().username,
    identityFile,
    knownHostsFile,
  };
  await writeFile(file, ssh.renderClientConfig(machine), { mode: 0o600 });

  await writeFile(knownHostsFile, ssh.renderKnownHosts("web", hostKey));
  const { stdout, stderr } = await execute("ssh", ["-F", file, "web", "echo in"]);
  expect([stdout, stderr]).toEqual(["in\n", ""]);

  await writeFile(knownHostsFile, ssh.renderKnownHosts("web", HOST_KEY));
  await expect(execute("ssh", ["-F", file, "web", "echo in"])).rejects.toThrow(/host key/i);
});
