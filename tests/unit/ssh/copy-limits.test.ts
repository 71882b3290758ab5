import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { unreachable } from "../../../provider/ssh/dial-error";
import { hashFile } from "../../../provider/ssh/local-files";
import { Ssh } from "../../../provider/ssh/ssh";
import { failureOf } from "../../support/context";
import { Sshd } from "../../support/sshd";

const ssh = new Ssh();
const soon = () => AbortSignal.timeout(30_000);
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

describe("a file that the kernel makes up, of size 0", () => {
  const KERNEL = "/proc/version"; // always the same one
  const content = readFileSync(KERNEL);
  const copied = { sha256: createHash("sha256").update(content).digest("hex"), size: content.length };

  test("arrives with what is in it, in both directions", async () => {
    const [remotePath, localPath] = [join(there, "up"), join(here, "down")];
    expect(await ssh.upload(server.endpoint, { source: KERNEL, remotePath }, soon())).toEqual(copied);
    expect(readFileSync(remotePath)).toEqual(content);
    expect(await ssh.download(server.endpoint, { remotePath: KERNEL, localPath }, soon())).toEqual(copied);
    expect(readFileSync(localPath)).toEqual(content);
    expect(await hashFile(KERNEL)).toBe(copied.sha256);
  });

  test("may be another one for each reader", async () => {
    const localPath = join(here, "down");
    const remotePath = "/proc/uptime";
    const { size } = await ssh.download(server.endpoint, { remotePath, localPath }, soon());
    expect(readFileSync(localPath)).toHaveLength(size);
    expect(size).toBeGreaterThan(0);
  });
});

describe("a place on this host that can't be", () => {
  test.each<[string, () => string, RegExp]>([
    ["a folder", () => here, /is a folder\n[^]*name the file within it/],
    ["below a file", () => join(here, "file", "x"), /no file can be made at .* on this host\n[^]*(?:EEXIST|ENOTDIR)/],
    ["nowhere", () => "/proc/no/such/file", /no file can be made at \/proc\/no\/such\/file/],
  ])("is told before anything travels: %s", async (_what, place, message) => {
    writeFileSync(join(here, "file"), "");
    const remotePath = "/no/such/file"; // which would be the failure of a transfer
    const failed = await failureOf(ssh.download(server.endpoint, { remotePath, localPath: place() }, soon()));
    expect(failed).toMatchObject({ code: "COPY_FAILED", message: expect.stringMatching(message) });
    expect(readdirSync(here)).toEqual(["file"]);
  });

  test("to read from is told in words, too", async () => {
    writeFileSync(join(here, "file"), "");
    const source = join(here, "file", "below");
    const failed = await failureOf(ssh.upload(server.endpoint, { source, remotePath: join(there, "x") }, soon()));
    expect(failed).toMatchObject({
      code: "COPY_FAILED",
      message: expect.stringMatching(/below can't be read\n.*ENOTDIR/),
    });
  });
});

test("a name with several addresses says why none of them answers", () => {
  const refused = ["::1", "127.0.0.1"].map((address) => new Error(`connect ECONNREFUSED ${address}:22`));
  const error = unreachable({ host: "localhost", hostKey: "" }, 1, 1, new AggregateError(refused));
  expect(error.evidence).toMatch(/the last one: connect ECONNREFUSED ::1:22; connect ECONNREFUSED 127\.0\.0\.1:22$/);
  expect(error.remedy).toMatch(/^nothing listens there/);
});

test("a server does not say who on this host becomes somebody else, or may write", async () => {
  const [remotePath, localPath] = [join(there, "file"), join(here, "file")];
  writeFileSync(remotePath, "x");
  chmodSync(remotePath, 0o6777);
  const modeOf = () => (statSync(localPath).mode & 0o7777).toString(8);
  await ssh.download(server.endpoint, { remotePath, localPath }, soon());
  expect(modeOf()).toBe("755"); // the tests' umask is 022
  await ssh.download(server.endpoint, { remotePath, localPath, mode: 0o4770 }, soon());
  expect(modeOf()).toBe("4770");
});

test.each(["rsync", "sftp"] as const)("nor by a sync (%s), which is in step after it", async (by) => {
  writeFileSync(join(there, "new"), "x");
  writeFileSync(join(there, "old"), "longer");
  for (const name of ["new", "old"]) chmodSync(join(there, name), 0o6777);
  writeFileSync(join(here, "old"), "x");
  chmodSync(join(here, "old"), 0o600);
  const sync = new Ssh(join(__dirname, "..", "..", "..", "sdk", "dist", "provider", "rsync-shell.js"));
  const request = { direction: "down", localPath: here, remotePath: there, exclude: [], removes: false, by } as const;
  await sync.sync(server.endpoint, request, soon());
  expect(["new", "old"].map((name) => statSync(join(here, name)).mode & 0o7777)).toEqual([0o755, 0o755]);
  expect(await sync.sync(server.endpoint, request, soon())).toMatchObject({ summary: "nothing to do" });
  await sync.close();
});

describe("holes", () => {
  const MIB = 1_048_576;

  /** Data at the beginning, in the middle and somewhere near the end, and nothing between. */
  async function makeSparse(file: string): Promise<Buffer> {
    writeFileSync(file, "");
    truncateSync(file, 40 * MIB + 5);
    await using handle = await open(file, "r+");
    for (const position of [0, 17 * MIB + 3, 39 * MIB])
      await handle.write(Buffer.alloc(50_000, "x"), 0, 50_000, position);
    return readFileSync(file);
  }
  const allocated = (file: string) => statSync(file).blocks * 512;

  test("of a file are holes of its copy, in both directions", async () => {
    const [source, remotePath, localPath] = [join(here, "from"), join(there, "file"), join(here, "back")];
    const content = await makeSparse(source);
    await ssh.upload(server.endpoint, { source, remotePath }, soon());
    await ssh.download(server.endpoint, { remotePath, localPath }, soon());
    for (const copy of [remotePath, localPath]) {
      expect(readFileSync(copy).equals(content)).toBe(true);
      expect(allocated(copy)).toBeLessThan(2 * MIB);
    }
  });

  test.each([
    ["rsync", "up"],
    ["rsync", "down"],
    ["sftp", "up"],
    ["sftp", "down"],
  ] as const)("and so with a sync (%s, %s)", async (by, direction) => {
    const [from, to] = direction === "up" ? [here, there] : [there, here];
    const content = await makeSparse(join(from, "file"));
    writeFileSync(join(from, "hole"), "");
    truncateSync(join(from, "hole"), 10 * MIB);
    const sync = new Ssh(join(__dirname, "..", "..", "..", "sdk", "dist", "provider", "rsync-shell.js"));
    await sync.sync(
      server.endpoint,
      { direction, localPath: here, remotePath: there, exclude: [], removes: false, by },
      soon(),
    );
    await sync.close();
    expect(readFileSync(join(to, "file")).equals(content)).toBe(true);
    expect(readFileSync(join(to, "hole")).equals(Buffer.alloc(10 * MIB))).toBe(true);
    for (const name of ["file", "hole"]) expect(allocated(join(to, name))).toBeLessThan(2 * MIB);
  });
});
