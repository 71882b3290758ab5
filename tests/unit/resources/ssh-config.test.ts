import { execFile, type ExecFileOptions } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import type { Context } from "../../../provider/context";
import type { CheckContext } from "../../../provider/resources/resource";
import { sshConfig } from "../../../provider/resources/ssh-config";
import { sshConfigSchema, type SshConfigSpec } from "../../../provider/schema/ssh-config";
import { ClientFiles } from "../../../provider/ssh/client-files";
import { Ssh } from "../../../provider/ssh/ssh";
import { failureOf, TestContext } from "../../support/context";
import { Sshd } from "../../support/sshd";

const execute = promisify(execFile);
let server: Sshd;
let folder: string;
let home: string;
let context: Context;

beforeAll(async () => {
  server = await Sshd.start({ sftp: "internal-sftp" });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mayfly 100% [x]* "));
  home = join(folder, "home");
  mkdirSync(join(home, ".ssh"), { recursive: true });
  mkdirSync(join(folder, "vm-1"));
  writeFileSync(join(folder, "vm-1", "id"), server.read("user"), { mode: 0o600 });
  const fixture = new TestContext(new Ssh(), (id, name) => join(folder, id, name));
  fixture.guestSshPort = server.port;
  const clientFiles = new ClientFiles({ home: join(folder, "data"), locks: join(folder, "locks") }, home);
  context = { ...fixture.context, clientFiles };
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

type Fields = Partial<Record<keyof SshConfigSpec, unknown>>;
/** The way to a VM as the SDK fills it in: what logs in is the VM's own. */
const ofVM = ({ privateKey: _, ...endpoint }: Sshd["endpoint"], keyOf: string) => ({ ...endpoint, keyOf });
const spec = (fields: Fields): SshConfigSpec => {
  const connection = typeof fields.vmId === "string" ? ofVM(server.endpoint, fields.vmId) : server.endpoint;
  return sshConfigSchema.parse({ connection, alias: "web", ...fields });
};

async function created(fields: Fields = {}, id = "web-1") {
  const inputs = spec(fields);
  return { ...inputs, ...(await sshConfig.create(id, inputs, context)) };
}

/** Runs one of OpenSSH's programs. They take the user's home from the password file, so it is given by `-F`. */
async function run(file: string, args: string[], options: ExecFileOptions = {}): Promise<string> {
  const { stdout, stderr } = await execute(file, args, { ...options, encoding: "utf8" });
  expect(stderr).toBe("");
  return stdout;
}

const userFile = () => join(home, ".ssh", "config");
const read = (path: string) => (existsSync(path) ? readFileSync(path, "utf8") : undefined);

describe("the real programs, by name", () => {
  test("ssh, twice over one connection, which ends with the resource", async () => {
    const before = server.logins;
    const saved = await created({ vmId: "vm-1" });
    expect(saved.command).toBe(`ssh -F '${saved.path}' web`);
    for (const word of ["one", "two"])
      expect(await run("/bin/sh", ["-c", `${saved.command} echo ${word}`])).toBe(`${word}\n`);
    expect(server.logins - before).toBe(1);
    const sockets = join(folder, "data", "s");
    expect(readdirSync(sockets)).toHaveLength(1);
    await sshConfig.delete("web-1", saved, context);
    await sshConfig.delete("web-1", saved, context);
    expect(readdirSync(sockets)).toEqual([]);
    expect(readdirSync(join(folder, "data", "ssh"))).toEqual([]);
  });

  test("scp, sftp, rsync and git", async () => {
    const { path } = await created();
    const [from, to] = [join(folder, "from"), join(server.folder, "home")];
    mkdirSync(from);
    writeFileSync(join(from, "a file"), "text");
    const remote = (name: string) => join(server.folder, "home", name);
    await run("scp", ["-q", "-F", path, join(from, "a file"), `web:${remote("by scp")}`]);
    writeFileSync(join(folder, "batch"), `put "${join(from, "a file")}" "${remote("by sftp")}"\n`);
    await execute("sftp", ["-q", "-F", path, "-b", join(folder, "batch"), "web"]);
    await run("rsync", [
      "-a",
      "-e",
      `ssh -F '${path}'`,
      "--protect-args",
      join(from, "a file"),
      `web:${remote("by rsync")}`,
    ]);
    expect(["scp", "sftp", "rsync"].map((name) => read(join(to, `by ${name}`)))).toEqual(["text", "text", "text"]);

    const env = { ...process.env, GIT_SSH_COMMAND: `ssh -F '${path}'`, GIT_CONFIG_GLOBAL: "/dev/null" };
    await run("git", ["init", "-q", "--bare", remote("repository")], { env });
    await execute("git", ["clone", "-q", `web:${remote("repository")}`, join(folder, "clone")], { env });
    const git = ["-C", join(folder, "clone"), "-c", "user.name=a", "-c", "user.email=b"];
    await run("git", [...git, "commit", "-q", "--allow-empty", "-m", "first"], { env });
    await execute("git", [...git, "push", "-q", "origin", "HEAD:main"], { env });
    expect(await run("git", ["-C", remote("repository"), "log", "--format=%s", "main"], { env })).toBe("first\n");
  });

  test("a host behind another one", async () => {
    await using jump = await Sshd.start();
    const { proxy: _, ...hop } = jump.endpoint;
    const { path } = await created({ connection: { ...server.endpoint, proxy: hop } });
    expect(await run("ssh", ["-F", path, "web", "echo there"])).toBe("there\n");
    expect(jump.logins).toBe(1);
  });

  test("another host than the pinned one is refused", async () => {
    await using other = await Sshd.start();
    const { path } = await created({ connection: { ...other.endpoint, hostKey: server.endpoint.hostKey } });
    await expect(execute("ssh", ["-F", path, "web", "true"])).rejects.toThrow(/host key/i);
  });
});

describe("through another VM", () => {
  let jump: Sshd;
  beforeAll(async () => {
    jump = await Sshd.start();
  });
  afterAll(async () => {
    await jump[Symbol.asyncDispose]();
  });
  beforeEach(() => {
    mkdirSync(join(folder, "jump-1"));
    writeFileSync(join(folder, "jump-1", "id"), jump.read("user"), { mode: 0o600 });
  });
  const places = { vmId: "vm-1", networks: ["back", "front"], addresses: ["192.0.2.1", "127.0.0.1"] };
  const way = () => ({
    ...places,
    proxyJump: ["other", "front"],
    jumpConnection: ofVM(jump.endpoint, "jump-1"),
    jumpId: "jump-1",
  });
  const failures = (fields: Fields) => sshConfig.check?.(spec(fields), {} as CheckContext);

  test("ssh logs in to both, each with its own key, at the address in the network that both are in", async () => {
    const published = { ...ofVM(server.endpoint, "vm-1"), host: "192.0.2.9", port: 9 };
    const before = jump.logins;
    const { path } = await created({ ...way(), connection: published });
    expect(await run("ssh", ["-F", path, "web", "echo there"])).toBe("there\n");
    expect(jump.logins - before).toBe(1);
    expect(readdirSync(join(folder, "data", "ssh", "web-1")).sort()).toEqual(["config", "known_hosts"]);
    const wrong = { ...way(), jumpConnection: { ...way().jumpConnection, hostKey: server.endpoint.hostKey } };
    const other = await created({ ...wrong, connection: published }, "web-2");
    const aloud = ["-o", "ControlPersist=no"]; // else ssh does not show what the first hop says
    await expect(execute("ssh", ["-F", other.path, ...aloud, "web", "true"])).rejects.toThrow(/host key/i);
  });

  test("a host that is no VM of ours is where that VM sees it", async () => {
    const { path } = await created({ ...way(), vmId: undefined, networks: [], addresses: [] });
    expect(read(path)).toContain(`Port ${String(server.port)}\n`);
    expect(await run("ssh", ["-F", path, "web", "echo there"])).toBe("there\n");
  });

  test("has to be in a network with it", async () => {
    expect(await failures(way())).toEqual([]);
    expect(await failures({})).toEqual([]);
    expect(await failures({ ...way(), vmId: undefined, networks: [] })).toEqual([]);
    const reason = "must be a VM in a network of vm: it is in none, vm in back, front";
    for (const vmId of ["vm-1", undefined])
      expect(await failures({ ...way(), vmId, proxyJump: [] })).toEqual([{ property: "proxyJump", reason }]);
  });

  test("another key of it is no change; another user is", async () => {
    const saved = await created(way());
    const needs = (jumpConnection: object) =>
      sshConfig.needsUpdate?.("web-1", saved, spec({ ...way(), jumpConnection }), context);
    expect(await needs({ ...jump.endpoint, privateKey: "another" })).toBe(false);
    expect(await needs({ ...jump.endpoint, user: "ann" })).toBe(true);
  });
});

describe("the files", () => {
  test("are the user's alone; a VM's key stays where the VM keeps it", async () => {
    await created({}, "other");
    await created({ vmId: "vm-1" }, "vm");
    const of = (id: string) => join(folder, "data", "ssh", id);
    expect(readdirSync(of("other")).sort()).toEqual(["config", "id-web", "known_hosts"]);
    expect(readdirSync(of("vm")).sort()).toEqual(["config", "known_hosts"]);
    for (const name of readdirSync(of("other"))) expect(statSync(join(of("other"), name)).mode & 0o777).toBe(0o600);
    expect(statSync(of("other")).mode & 0o777).toBe(0o700);
  });

  test("as another user by a way of the program's own: that way's key, not the VM's", async () => {
    await created({ vmId: "vm-1", connection: { ...server.endpoint, user: "ada" } }, "ada");
    const config = read(join(folder, "data", "ssh", "ada", "config"));
    expect(config).toContain("User ada\n");
    expect(config).toContain(`IdentityFile "${join(folder, "data", "ssh", "ada", "id-web").replaceAll("%", "%%")}"`);
  });

  test("an identity file may be named from the home", async () => {
    await created({ identityFile: "~/.ssh/ada" });
    expect(read(join(folder, "data", "ssh", "web-1", "config"))).toContain(join(homedir(), ".ssh", "ada"));
  });

  test("a path too long for any socket: it is where the user's sockets are, or each session has its own connection", async () => {
    const long = join(folder, "x".repeat(120));
    const places = { home: long, locks: join(folder, "locks") };
    const clientFiles = new ClientFiles(places, long, join(folder, "none"));
    await clientFiles.write("a", { alias: "web", endpoint: server.endpoint });
    expect(read(clientFiles.path("a"))).not.toContain("ControlMaster");
    expect(await run("ssh", ["-F", clientFiles.path("a"), "web", "echo there"])).toBe("there\n");
    const elsewhere = new ClientFiles(places, long, folder);
    await elsewhere.write("a", { alias: "web", endpoint: server.endpoint });
    expect(await run("ssh", ["-F", elsewhere.path("a"), "web", "echo there"])).toBe("there\n");
    const shared = () => readdirSync(folder).filter((name) => name.startsWith("mayfly-"));
    expect(shared()).toHaveLength(1);
    await elsewhere.remove("a", "web", AbortSignal.timeout(60_000));
    expect(shared()).toEqual([]);
    const medium = new ClientFiles(places, home);
    await medium.write("a", { alias: "web", endpoint: server.endpoint });
    expect(read(medium.path("a"))).toContain(`ControlPath "${join(home, ".ssh").replaceAll("%", "%%")}/.mf-`);
  });

  test("that were removed show in the preview, and are written again", async () => {
    const saved = await created({ include: true });
    expect(await sshConfig.needsUpdate?.("web-1", saved, saved, context)).toBe(false);
    writeFileSync(userFile(), "");
    expect(await sshConfig.needsUpdate?.("web-1", saved, saved, context)).toBe(true);
    expect(await sshConfig.read?.("web-1", saved, context)).toBeUndefined();
    await sshConfig.update("web-1", saved, saved, context);
    rmSync(saved.path);
    expect(await sshConfig.needsUpdate?.("web-1", saved, saved, context)).toBe(true);
    await sshConfig.update("web-1", saved, saved, context);
    expect(await sshConfig.read?.("web-1", saved, context)).toMatchObject({ path: saved.path });
    expect(await sshConfig.needsUpdate?.("web-1", saved, saved, context)).toBe(false);
  });
});

test("it outlives its VM: what it has written is known of, and written anew for the next one, or removed", async () => {
  const fixture = new TestContext(new Ssh(), (id, name) => join(folder, id, name));
  fixture.machinesAlive = false;
  const gone = { ...fixture.context, clientFiles: context.clientFiles };
  const saved = await created({ vmId: "vm-1", include: true });
  expect(await sshConfig.read?.("web-1", saved, gone)).toMatchObject({ path: saved.path });
  await sshConfig.delete("web-1", saved, gone);
  expect([existsSync(saved.path), read(userFile())]).toEqual([false, undefined]);
});

test("a VM that is logged in to as another user shows in the preview; one with another key does not", async () => {
  const saved = await created({ vmId: "vm-1" });
  const needs = (connection: object) =>
    sshConfig.needsUpdate?.("web-1", saved, { ...saved, connection: connection as typeof saved.connection }, context);
  expect(await needs({ ...saved.connection, user: "ann" })).toBe(true);
  const { privateKey: _, ...byAgent } = { ...saved.connection, agentSocketPath: "/run/agent" };
  expect(await needs(byAgent)).toBe(true);
  expect(await needs({ ...saved.connection, privateKey: "another" })).toBe(false);
  expect(await needs("not known yet" as unknown as object)).toBe(false);
  await sshConfig.update("web-1", saved, { ...saved, connection: { ...saved.connection, user: "ann" } }, context);
  expect(read(saved.path)).toContain("User ann\n");
});

describe("the user's own configuration", () => {
  const own = "Host *\r\n\tUser  ada   # mine\n\nInclude other\n\n  # no line end";

  test("includes it at the top, and is byte for byte the same afterwards", async () => {
    writeFileSync(userFile(), own, { mode: 0o640 });
    const saved = await created({ include: true });
    expect(saved.command).toBe("ssh web");
    expect(read(userFile())?.endsWith(own)).toBe(true);
    expect(statSync(userFile()).mode & 0o777).toBe(0o640);
    const options = await run("ssh", ["-G", "-F", userFile(), "web"]);
    expect(options).toContain(`\nport ${String(server.port)}\n`);
    expect(await run("ssh", ["-F", userFile(), "web", "echo there"])).toBe("there\n");

    const second = await created({ include: true, alias: "db" }, "db-1");
    await sshConfig.update("web-1", saved, spec({ include: true }), context); // a second time changes nothing
    expect(read(userFile())?.match(/^Include "/gm)).toHaveLength(2);
    await sshConfig.delete("web-1", saved, context);
    await sshConfig.delete("db-1", second, context);
    expect(read(userFile())).toBe(own);
  });

  test("is not there afterwards, when it was not there before", async () => {
    const saved = await created({ include: true });
    expect(statSync(userFile()).mode & 0o777).toBe(0o600);
    await sshConfig.update("web-1", saved, spec({ include: false }), context);
    expect(existsSync(userFile())).toBe(false);
  });

  test("stays a link, where it is one", async () => {
    mkdirSync(join(home, "dotfiles"));
    writeFileSync(join(home, "dotfiles", "ssh"), own);
    symlinkSync("../dotfiles/ssh", userFile());
    const saved = await created({ include: true });
    expect(read(join(home, "dotfiles", "ssh"))).not.toBe(own);
    await sshConfig.delete("web-1", saved, context);
    expect(read(join(home, "dotfiles", "ssh"))).toBe(own);
    expect(readdirSync(join(home, "dotfiles"))).toEqual(["ssh"]);
  });

  test("is changed by many at a time", async () => {
    writeFileSync(userFile(), own);
    const names = Array.from({ length: 10 }, (_, index) => `vm${String(index)}`);
    const all = await Promise.all(names.map((alias) => created({ include: true, alias }, `${alias}-1`)));
    expect(read(userFile())?.match(/^Include "/gm)).toHaveLength(10);
    await Promise.all(all.map((saved, index) => sshConfig.delete(`vm${String(index)}-1`, saved, context)));
    expect(read(userFile())).toBe(own);
  });

  test("never gets the same name twice", async () => {
    await created({ include: true });
    const error = await failureOf(created({ include: true }, "web-2"));
    expect(error).toMatchObject({
      code: "BAD_INPUT",
      message: expect.stringMatching(/ssh knows another host as web already/),
    });
    expect(readdirSync(join(folder, "data", "ssh"))).toEqual(["web-1"]);
    await created({}, "web-3"); // without include there is no harm
  });
});
