import { randomBytes } from "node:crypto";
import { execFileSync } from "node:child_process";
import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { Ssh, type SyncRequest } from "../../../provider/ssh/ssh";
import { failureOf } from "../../support/context";
import { furnish } from "../../support/folders";
import { holdWriter } from "../../support/hold";
import { makeHome } from "../../support/home";
import { Sshd } from "../../support/sshd";

// What lies beside a file until it is whole: in whose hands it may fall, and what is left of it.

const ssh = new Ssh();
const soon = () => AbortSignal.timeout(60_000);
const sftp = "/usr/lib/openssh/sftp-server";
const LONGEST = "件".repeat(85); // 255 bytes
const home = makeHome("drafts"); // one of those that are cleared away, too, when a test is killed
const shims = join(home, "bin");
let server: Sshd;
let folder: string;
let there: string;
let tests = 0;

beforeAll(async () => {
  mkdirSync(shims);
  const config = [`ForceCommand PATH="${shims}:$PATH"; eval "$SSH_ORIGINAL_COMMAND"`];
  server = await Sshd.start({ sftp, config });
});
afterAll(async () => {
  await ssh.close();
  await server[Symbol.asyncDispose]();
  rmSync(home, { recursive: true });
});
beforeEach(() => {
  tests += 1;
  folder = join(server.folder, String(tests));
  there = join(folder, "there");
  mkdirSync(there, { recursive: true });
});
afterEach(() => {
  for (const name of readdirSync(shims)) rmSync(join(shims, name));
});

const request = (more: Partial<SyncRequest> = {}): SyncRequest => ({
  ...{ direction: "up", localPath: join(folder, "here"), remotePath: there, exclude: [], removes: false, by: "sftp" },
  ...more,
});

test("of a sync that the signal ends nothing is left", async () => {
  furnish(join(folder, "here"), { big: "x".repeat(60_000_000) });
  const controller = new AbortController();
  const syncing = failureOf(ssh.sync(server.endpoint, request(), controller.signal));
  const writer = await holdWriter(there);
  controller.abort(new Error("enough"));
  expect((await syncing).message).toBe("enough");
  process.kill(writer, "SIGKILL");
  expect(readdirSync(there)).toEqual([]);
});

test("a name may be as long as names can be, in any script", async () => {
  furnish(join(folder, "here"), { [LONGEST]: "x" });
  await ssh.sync(server.endpoint, request(), soon());
  expect(readdirSync(there)).toEqual([LONGEST]);
  const back = join(folder, "back");
  await ssh.sync(server.endpoint, request({ direction: "down", localPath: back }), soon());
  expect(readdirSync(back)).toEqual([LONGEST]);
  const remotePath = join(there, LONGEST);
  await ssh.upload(server.endpoint, { source: Buffer.from("y"), remotePath }, soon());
  await ssh.download(server.endpoint, { remotePath, localPath: join(back, LONGEST) }, soon());
  expect(readFileSync(join(back, LONGEST), "utf8")).toBe("y");
});

const asRoot = process.getuid?.() === 0 ? describe : describe.skip;

asRoot("in a folder of somebody else's", () => {
  let victim: string;
  beforeEach(() => {
    victim = join(folder, "shadow");
    writeFileSync(victim, "secret", { mode: 0o600 });
  });

  /** Has a program of the guest wait until the folder's owner has put a link to the victim into the draft's place. */
  function swapBefore(program: string): void {
    const real = execFileSync("sh", ["-c", `command -v ${program}`])
      .toString()
      .trim();
    const swap = `for draft in '${there}'/.*part; do mv "$draft" '${folder}/taken'; ln -s '${victim}' "$draft"; done`;
    writeFileSync(join(shims, program), `#!/bin/sh\n${swap}\nexec ${real} "$@"\n`);
    chmodSync(join(shims, program), 0o755);
  }

  test.each([
    ["chown", "nobody:nogroup"],
    ["b2sum", undefined],
  ])("a copy that was exchanged for a link gives nothing away (before %s)", async (program, owner) => {
    swapBefore(program);
    const copy = { source: Buffer.from("public"), remotePath: join(there, "file"), owner, mode: 0o666 };
    const error = await failureOf(ssh.upload(server.endpoint, copy, soon()));
    const { mode, uid } = lstatSync(victim);
    expect([uid, mode & 0o777, readFileSync(victim, "utf8")]).toEqual([0, 0o600, "secret"]);
    expect(error).toMatchObject({ code: "COPY_FAILED", message: expect.stringContaining("something else") });
  });

  test("a copy that goes on after a break does not write into what a link leads to", async () => {
    await using own = await Sshd.start({ sftp });
    writeFileSync(join(folder, "big"), randomBytes(150_000_000));
    const copying = failureOf(
      ssh.upload(own.endpoint, { source: join(folder, "big"), remotePath: join(there, "file") }, soon()),
    );
    const draft = () => join(there, readdirSync(there)[0] ?? "none");
    const writer = await holdWriter(there, 20_000_000);
    const processes = [writer, ...(await own.sessionProcesses())];
    execFileSync("sh", ["-c", `mv "$0" '${folder}/taken' && ln -s '${victim}' "$0"`, draft()]);
    for (const pid of processes) process.kill(pid, "SIGKILL");
    expect(await copying).toMatchObject({ code: "COPY_FAILED", message: expect.stringContaining("something else") });
    expect(readFileSync(victim, "utf8")).toBe("secret");
  });

  test("folders that a broken session has made are the owner's, too, and setuid outlasts the change", async () => {
    await using own = await Sshd.start({ sftp });
    writeFileSync(join(folder, "big"), randomBytes(150_000_000));
    const remotePath = join(there, "new", "er", "file");
    const copy = { source: join(folder, "big"), remotePath, owner: "nobody", mode: 0o4755 };
    const copying = ssh.upload(own.endpoint, copy, soon());
    const writer = await holdWriter(join(there, "new", "er"), 20_000_000);
    for (const pid of [writer, ...(await own.sessionProcesses())]) process.kill(pid, "SIGKILL");
    await copying;
    expect(own.logins).toBe(2);
    const owners = ["new", "new/er", "new/er/file"].map((path) => lstatSync(join(there, path)).uid);
    expect(owners).toEqual([65_534, 65_534, 65_534]);
    expect([lstatSync(remotePath).mode & 0o7777, lstatSync(remotePath).gid]).toEqual([0o4755, 0]);
  });
});
