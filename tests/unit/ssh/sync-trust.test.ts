import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { Ssh, type SyncRequest } from "../../../provider/ssh/ssh";
import { localSide } from "../../../provider/ssh/sync-sides";
import { Sorter } from "../../../provider/ssh/sync-sorter";
import type { Entry } from "../../../provider/ssh/sync-tree";
import { failureOf } from "../../support/context";
import { furnish } from "../../support/folders";
import { Sshd } from "../../support/sshd";

const ssh = new Ssh();
const shims = mkdtempSync(join(tmpdir(), "mayfly-shims-"));
let server: Sshd;
let home: string;
let tests = 0;

beforeAll(async () => {
  // A guest that belongs to somebody else: its find prints what that one likes.
  const config = [`ForceCommand PATH=${shims}:$PATH; eval "$SSH_ORIGINAL_COMMAND"`];
  server = await Sshd.start({ sftp: "/usr/lib/openssh/sftp-server", config });
});
afterAll(async () => {
  await ssh.close();
  await server[Symbol.asyncDispose]();
  rmSync(shims, { recursive: true });
});
beforeEach(() => {
  tests += 1;
  home = join(server.folder, `home ${String(tests)}`);
  furnish(home, { ".ssh/authorized_keys": "mine", "here/kept": "kept" });
});

/** Lets the guest's find list these paths, each with its type and where it points. */
function list(...entries: readonly (readonly [type: string, path: string, target?: string])[]): void {
  const text = entries
    .map(([type, path, target = ""]) => [type, "600", "5", "1.5", path, target, ""].join("\0"))
    .join("");
  writeFileSync(join(shims, "listing"), text);
  writeFileSync(join(shims, "find"), `#!/bin/sh\ncat '${join(shims, "listing")}'\n`);
  chmodSync(join(shims, "find"), 0o755);
}

async function download(by: SyncRequest["by"] = "sftp"): Promise<unknown> {
  const [localPath, remotePath] = [join(home, "here"), join(server.folder, "there")];
  furnish(remotePath, { "x/authorized_keys": "evil!" });
  furnish(join(server.folder, ".ssh"), { authorized_keys: "evil!" });
  const request = { direction: "down", localPath, remotePath, exclude: [], removes: false, by } as const;
  return ssh.sync(server.endpoint, request, AbortSignal.timeout(30_000));
}

describe("a guest that lies about its folder", () => {
  test.each([
    ["above it", [["f", "../.ssh/authorized_keys"]]],
    [
      "above it, by way of a folder",
      [
        ["d", "x"],
        ["f", "x/../../.ssh/authorized_keys"],
      ],
    ],
    ["elsewhere", [["f", "/etc/x"]]],
    ["the folder itself", [["f", "."]]],
    ["no name", [["f", ""]]],
    ["a folder that is not listed", [["f", "x/authorized_keys"]]],
    [
      "what a link leads to",
      [
        ["l", "x", "../.ssh"],
        ["f", "x/authorized_keys"],
      ],
    ],
    [
      "a link that was a folder",
      [
        ["d", "x"],
        ["f", "x/authorized_keys"],
        ["l", "x", "../.ssh"],
      ],
    ],
  ] as const)("writes nothing on this host: %s", async (_what, entries) => {
    list(...entries);
    const error = await failureOf(download());
    expect(error).toMatchObject({ code: "COPY_FAILED", message: expect.stringContaining("which can't be in it") });
    expect(readFileSync(join(home, ".ssh", "authorized_keys"), "utf8")).toBe("mine");
    expect(readdirSync(join(home, "here"))).toEqual(["kept"]);
  });

  test("cannot fill a link that an earlier sync has brought", async () => {
    list(["l", "x", join(home, ".ssh")]);
    await download();
    list(["d", "x"], ["f", "x/authorized_keys"]);
    expect(await failureOf(download())).toMatchObject({ message: expect.stringContaining("x is in the way") });
    expect(readFileSync(join(home, ".ssh", "authorized_keys"), "utf8")).toBe("mine");
  });
});

test("an honest listing is taken", async () => {
  list(["d", "x"], ["f", "x/authorized_keys"], ["l", "y", "/no/such"]);
  await download();
  expect(readFileSync(join(home, "here", "x", "authorized_keys"), "utf8")).toBe("evil!");
});

const file: Entry = { kind: "file", mode: 0o600, size: 1, modified: 0 };

test.each(["a/../../b", "a//b", "./a", "a/.", "a\0b"])("a name of SFTP's is no way out: %j", (path) => {
  const sorter = new Sorter(() => false, "source");
  sorter.add("a", { ...file, kind: "folder" });
  expect(() => sorter.wants(path, "file")).toThrow(/which can't be in it/);
});

test("a folder of this host is not made of a link", async () => {
  // As where names that differ in case alone are the same: the listing does not tell of it.
  symlinkSync("../.ssh", join(home, "here", "x"));
  expect(await failureOf(localSide(join(home, "here")).makeFolder("x", 0o700))).toMatchObject({ code: "EEXIST" });
});
