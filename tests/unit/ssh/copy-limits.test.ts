import { createHash } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { hashFile } from "../../../provider/ssh/local-files";
import { Ssh } from "../../../provider/ssh/ssh";
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
