import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { chmod } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import type { MayflyError } from "../../../provider/errors";
import { until } from "../../../provider/host/until";
import { Ssh } from "../../../provider/ssh/ssh";
import { Sshd } from "../../support/sshd";

const ssh = new Ssh();
const soon = () => AbortSignal.timeout(30_000);
const { username } = userInfo();
let server: Sshd;
let here: string;
let there: string;
let tests = 0;

beforeAll(async () => {
  server = await Sshd.start({ sftp: "/usr/lib/openssh/sftp-server" });
});
afterAll(async () => {
  await ssh.close();
  await server[Symbol.asyncDispose]();
});
beforeEach(() => {
  tests += 1;
  [here, there] = ["here", "there"].map((name) => join(server.folder, `${name} ${String(tests)}`)) as [string, string];
  mkdirSync(here);
  mkdirSync(there);
});
afterEach(() => {
  for (const folder of [here, there]) expect(readdirSync(folder).filter((name) => name.includes("part"))).toEqual([]);
});

function local(content: string | Buffer, name = "file"): string {
  writeFileSync(join(here, name), content);
  return join(here, name);
}

async function failureOf(work: Promise<unknown>): Promise<MayflyError> {
  const error: unknown = await work.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(Error);
  return error as MayflyError;
}

test.each([0, 1, 32_768, 32_769, 2_097_152 + 7, 5_000_000])(
  "%i bytes travel there and back again, whole",
  async (size) => {
    const bytes = randomBytes(size);
    const source = local(bytes);
    const remotePath = join(there, "a", "new folder", "file");
    const up = await ssh.upload(server.endpoint, { source, remotePath }, soon());
    expect(readFileSync(remotePath).equals(bytes)).toBe(true);
    expect(up.size).toBe(size);
    expect(await ssh.fingerprint(server.endpoint, remotePath, soon())).toEqual(up);

    const localPath = join(here, "deep", "down", "file");
    expect(await ssh.download(server.endpoint, { remotePath, localPath }, soon())).toEqual(up);
    expect(readFileSync(localPath).equals(bytes)).toBe(true);
    expect(readdirSync(join(there, "a", "new folder"))).toEqual(["file"]);
  },
);

test.each(["with blanks", "qu'ote\"s", "-rf", "$(touch x)", "ünïcødé ☃", "line\nbreak", "back\\slash", "*"])(
  "the name %j is a name",
  async (name) => {
    const remotePath = join(there, name, name);
    await ssh.upload(server.endpoint, { source: Buffer.from("x"), remotePath, owner: username }, soon());
    expect(readFileSync(remotePath, "utf8")).toBe("x");
    const localPath = join(here, name, name);
    await ssh.download(server.endpoint, { remotePath, localPath }, soon());
    expect(readFileSync(localPath, "utf8")).toBe("x");
    await ssh.removeFile(server.endpoint, remotePath, soon());
    await ssh.removeFile(server.endpoint, remotePath, soon());
    expect(readdirSync(join(there, name))).toEqual([]);
    expect(await ssh.fingerprint(server.endpoint, remotePath, soon())).toBeUndefined();
  },
);

describe("the mode", () => {
  const modeOf = (path: string) => (statSync(path).mode & 0o7777).toString(8);

  test("is that of the source, or the one that is asked for", async () => {
    const source = local("#!/bin/sh\n");
    await chmod(source, 0o751);
    const remotePath = join(there, "file");
    await ssh.upload(server.endpoint, { source, remotePath }, soon());
    expect(modeOf(remotePath)).toBe("751");
    await ssh.upload(server.endpoint, { source, remotePath, mode: 0o4600 }, soon());
    expect(modeOf(remotePath)).toBe("4600");
    await ssh.upload(server.endpoint, { source: Buffer.from(""), remotePath }, soon());
    expect(modeOf(remotePath)).toBe("644");

    const localPath = join(here, "copy");
    await ssh.download(server.endpoint, { remotePath, localPath }, soon());
    expect(modeOf(localPath)).toBe("644");
    await ssh.download(server.endpoint, { remotePath, localPath, mode: 0o600 }, soon());
    expect(modeOf(localPath)).toBe("600");
  });

  test("is never wider, not even while the file is on its way", async () => {
    const remotePath = join(there, "file");
    const seen: string[] = [];
    const source = local(randomBytes(30_000_000));
    const copying = ssh.upload(server.endpoint, { source, remotePath, mode: 0o600 }, soon()).then(() => true as const);
    const look = async () => {
      for (const name of readdirSync(there)) seen.push(modeOf(join(there, name)));
      return Promise.race([copying, Promise.resolve(undefined)]);
    };
    await until("it is copied", look, { signal: soon(), interval: 5, diagnose: () => ({ remedy: "" }) });
    expect([...new Set(seen)]).toEqual(["600"]);
  });
});

test("the owner is changed by name, also of the folders that are made", async () => {
  const isRoot = process.getuid?.() === 0;
  const owner = isRoot ? "nobody:nogroup" : username;
  const remotePath = join(there, "new", "file");
  await ssh.upload(server.endpoint, { source: Buffer.from("x"), remotePath, owner }, soon());
  const uid = isRoot ? 65_534 : userInfo().uid;
  expect([statSync(remotePath).uid, statSync(join(there, "new")).uid]).toEqual([uid, uid]);
  expect(statSync(there).uid).toBe(userInfo().uid); // that one was there before

  const unknown = ssh.upload(server.endpoint, { source: Buffer.from("y"), remotePath, owner: "no-such-user" }, soon());
  expect(await failureOf(unknown)).toMatchObject({
    code: "COPY_FAILED",
    message: expect.stringMatching(/no-such-user/),
  });
  expect(readFileSync(remotePath, "utf8")).toBe("x");
});

test("an owner in numbers needs no command there", async () => {
  await using only = await Sshd.start({ sftp: "internal-sftp", config: ["ForceCommand internal-sftp"] });
  const { uid, gid } = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_533 } : userInfo();
  const remotePath = join(there, "file");
  const owners = [String(uid), `:${String(gid)}`];
  for (const owner of owners) await ssh.upload(only.endpoint, { source: Buffer.from("x"), remotePath, owner }, soon());
  expect([statSync(remotePath).uid, statSync(remotePath).gid]).toEqual([userInfo().uid, gid]); // each is a new file
  const owner = owners.join("");
  await ssh.upload(only.endpoint, { source: Buffer.from("x"), remotePath, owner }, soon());
  expect([statSync(remotePath).uid, statSync(remotePath).gid]).toEqual([uid, gid]);
});

test("a file is replaced in one step, a link as what it is", async () => {
  const remotePath = join(there, "file");
  writeFileSync(join(there, "other"), "other");
  symlinkSync("other", remotePath);
  await ssh.upload(server.endpoint, { source: Buffer.from("new"), remotePath }, soon());
  expect(readFileSync(remotePath, "utf8")).toBe("new");
  expect(readFileSync(join(there, "other"), "utf8")).toBe("other");
  const before = statSync(remotePath).ino;
  await ssh.upload(server.endpoint, { source: Buffer.from("newer"), remotePath }, soon());
  expect(statSync(remotePath).ino).not.toBe(before); // whoever reads the old one goes on reading the old one
});

describe("what can't be copied", () => {
  test("onto a folder", async () => {
    const error = await failureOf(ssh.upload(server.endpoint, { source: local("x"), remotePath: there }, soon()));
    expect(error).toMatchObject({
      code: "COPY_FAILED",
      message: expect.stringMatching(/is a folder; name the file within it/),
    });
  });

  test("below a file", async () => {
    writeFileSync(join(there, "file"), "");
    const remotePath = join(there, "file", "below");
    const error = await failureOf(ssh.upload(server.endpoint, { source: local("x"), remotePath }, soon()));
    expect(error).toMatchObject({ code: "COPY_FAILED" });
    expect(error.message).toContain(join(there, "file"));
  });

  test("to a place on this host where no folder can be made", async () => {
    await ssh.upload(server.endpoint, { source: Buffer.from("x"), remotePath: join(there, "file") }, soon());
    const localPath = "/proc/no/such/file"; // where Node's own recursive mkdir spins
    const copying = ssh.download(server.endpoint, { remotePath: join(there, "file"), localPath }, soon());
    await expect(copying).rejects.toMatchObject({ code: "COPY_FAILED" });
  });

  test("from nowhere", async () => {
    const remotePath = join(there, "file");
    const up = await failureOf(ssh.upload(server.endpoint, { source: join(here, "none"), remotePath }, soon()));
    expect(up).toMatchObject({
      code: "NOT_FOUND",
      message: expect.stringMatching(/there is no file .*none on this host/),
    });
    const down = await failureOf(ssh.download(server.endpoint, { remotePath, localPath: join(here, "x") }, soon()));
    expect(down).toMatchObject({
      code: "NOT_FOUND",
      message: expect.stringMatching(/there is no file .*file on .*@127\.0\.0\.1:/),
    });
    expect(existsSync(join(here, "x"))).toBe(false);
  });

  test("a folder, as if it were a file", async () => {
    const remotePath = join(there, "file");
    expect(await failureOf(ssh.upload(server.endpoint, { source: here, remotePath }, soon()))).toMatchObject({
      ...{ code: "COPY_FAILED", message: expect.stringMatching(/DirectorySync/) },
    });
    const down = ssh.download(server.endpoint, { remotePath: there, localPath: join(here, "x") }, soon());
    expect(await failureOf(down)).toMatchObject({ code: "COPY_FAILED", message: expect.stringMatching(/is no file/) });
  });

  test("a file with another content than announced", async () => {
    const remotePath = join(there, "file");
    const work = ssh.upload(server.endpoint, { source: local("x"), remotePath, sha256: "0".repeat(64) }, soon());
    expect(await failureOf(work)).toMatchObject({
      code: "COPY_FAILED",
      message: expect.stringMatching(/changed while it was copied/),
    });
    expect(readdirSync(there)).toEqual([]);
  });
});

test.each(["upload", "download"] as const)("an %s goes on where it was when the connection breaks", async (way) => {
  await using own = await Sshd.start({ sftp: "/usr/lib/openssh/sftp-server" });
  const bytes = randomBytes(150_000_000);
  const [from, to] = way === "upload" ? [here, there] : [there, here];
  writeFileSync(join(from, "from"), bytes);
  const copying =
    way === "upload"
      ? ssh.upload(own.endpoint, { source: join(from, "from"), remotePath: join(to, "to") }, soon())
      : ssh.download(own.endpoint, { remotePath: join(from, "from"), localPath: join(to, "to") }, soon());
  const draft = async () => {
    const [name] = readdirSync(to);
    const seen = name === undefined ? undefined : statSync(join(to, name));
    return Promise.resolve(seen !== undefined && seen.size > 20_000_000 ? seen : undefined);
  };
  const wait = { signal: soon(), interval: 2, diagnose: () => ({ remedy: "a larger file" }) };
  const { ino } = await until("some of it has arrived", draft, wait);
  for (const pid of await own.sessionProcesses()) process.kill(pid, "SIGKILL");
  await copying;
  expect(own.logins).toBe(2);
  expect(readFileSync(join(to, "to")).equals(bytes)).toBe(true);
  expect(statSync(join(to, "to")).ino).toBe(ino); // the same draft, not one from the start
});

test("a large file is hashed there while it arrives, by one command", async () => {
  const log = { file: join(here, "log"), resource: "copy" };
  const bytes = randomBytes(40_000_003);
  const remotePath = join(there, "it's large");
  const { sha256 } = await ssh.upload({ ...server.endpoint, log }, { source: local(bytes), remotePath }, soon());
  expect(sha256).toBe(createHash("sha256").update(bytes).digest("hex"));
  expect(readFileSync(remotePath).equals(bytes)).toBe(true);
  const lines = readFileSync(log.file, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const [command, ...others] = lines.filter(({ kind }) => kind === "command");
  expect(others).toEqual([]);
  const end = lines.find(({ event, session }) => event === "ended" && session === command?.["session"]);
  expect(Number(end?.["bytesSent"])).toBeGreaterThan("0 16\n".length); // told in steps
});

test("the signal ends a copy", async () => {
  const controller = new AbortController();
  const [source, remotePath] = [local(randomBytes(100_000_000)), join(there, "file")];
  const copying = failureOf(ssh.upload(server.endpoint, { source, remotePath }, controller.signal));
  const begun = () => Promise.resolve(readdirSync(there).length > 0 ? true : undefined);
  await until("it has begun", begun, { signal: soon(), interval: 2, diagnose: () => ({ remedy: "" }) });
  controller.abort(new Error("enough"));
  expect((await copying).message).toBe("enough");
  expect(readdirSync(there)).toEqual([]); // nor the draft
});

test("a server that does nothing but SFTP is enough", async () => {
  await using only = await Sshd.start({ sftp: "internal-sftp", config: ["ForceCommand internal-sftp"] });
  const bytes = randomBytes(3_000_000);
  const remotePath = join(there, "file");
  const copied = await ssh.upload(only.endpoint, { source: local(bytes), remotePath }, soon());
  expect(readFileSync(remotePath).equals(bytes)).toBe(true);
  expect(await ssh.download(only.endpoint, { remotePath, localPath: join(here, "back") }, soon())).toEqual(copied);
});

test("a server without SFTP is told from one that is away", async () => {
  await using none = await Sshd.start();
  const work = ssh.upload(none.endpoint, { source: local("x"), remotePath: join(there, "file") }, soon());
  expect(await failureOf(work)).toMatchObject({
    code: "CONNECT_FAILED",
    message: expect.stringMatching(/has no SFTP/),
  });
});

test("many files at a time share one connection", async () => {
  const before = server.logins;
  const names = Array.from({ length: 60 }, (_, index) => String(index));
  const source = local(randomBytes(40_000));
  await Promise.all(
    names.map((name) => ssh.upload(server.endpoint, { source, remotePath: join(there, name) }, soon())),
  );
  expect(readdirSync(there).sort()).toEqual(names.sort());
  expect(server.logins - before).toBeLessThan(8);
});
