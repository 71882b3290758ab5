import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import type { Remote } from "../../../provider/ssh/remote";
import { GUEST_HELPER } from "../../../provider/ssh/remote-hash";
import { NO_SUCH_FILE, SftpError } from "../../../provider/ssh/sftp-error";
import { Ssh, type Endpoint, type Synced, type SyncRequest } from "../../../provider/ssh/ssh";
import { localTree, remoteTree } from "../../../provider/ssh/sync-tree";
import { failureOf } from "../../support/context";
import { furnish } from "../../support/folders";
import { HELPER } from "../../support/helper";
import { Sshd } from "../../support/sshd";

const ssh = new Ssh();
const isRoot = process.getuid?.() === 0;
const NOBODY = 65_534;
let whole: Sshd;
let bare: Sshd;
let guest: Sshd;
let root: string;
let tests = 0;

beforeAll(async () => {
  // Root may look anywhere: so it is nobody who logs in.
  const nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups";
  const run = `exec ${isRoot ? nobody : ""} /bin/sh -c "$SSH_ORIGINAL_COMMAND"`;
  const onlySftp = "case $SSH_ORIGINAL_COMMAND in *sftp-server) ;; *) exit 1;; esac";
  const sftp = "/usr/lib/openssh/sftp-server";
  whole = await Sshd.start({ sftp, config: [`ForceCommand ${run}`] });
  bare = await Sshd.start({ sftp, config: [`ForceCommand ${onlySftp}; ${run}`] });
  root = mkdtempSync(join(tmpdir(), "mayfly-unreadable-"));
  chmodSync(root, 0o755);
  const helper = join(root, "helper"); // where nobody gets at it
  cpSync(HELPER, helper);
  const helped = `SSH_ORIGINAL_COMMAND=$(printf %s "$SSH_ORIGINAL_COMMAND" | sed "s,${GUEST_HELPER},${helper},g; s,exec find,exec false,")`;
  guest = await Sshd.start({ sftp, config: [`ForceCommand ${helped}; export SSH_ORIGINAL_COMMAND; ${run}`] });
});
afterAll(async () => {
  await ssh.close();
  await whole[Symbol.asyncDispose]();
  await bare[Symbol.asyncDispose]();
  await guest[Symbol.asyncDispose]();
  rmSync(root, { recursive: true });
});

let here: string;
let there: string;
beforeEach(() => {
  tests += 1;
  [here, there] = ["here", "there"].map((name) => join(root, `${name} ${String(tests)}`)) as [string, string];
  furnish(here, { a: "a" });
  furnish(there, { "lost+found": null, "sub/lost/x": "theirs", stale: "x" });
  for (const path of ["", "sub"]) chmodSync(join(there, path), 0o777);
  for (const path of ["lost+found", "sub/lost"]) chmodSync(join(there, path), isRoot ? 0o700 : 0);
});

const soon = () => AbortSignal.timeout(30_000);
const ways: [string, () => Endpoint][] = [
  ["by find", () => whole.endpoint],
  ["by our helper", () => guest.endpoint],
  ["by SFTP alone", () => bare.endpoint],
];

describe.each(ways)("folders that nobody may look into, %s", (_way, endpoint) => {
  const request = (more: Partial<SyncRequest>): SyncRequest => ({
    ...{ direction: "up", localPath: here, remotePath: there, exclude: [], removes: true, by: "sftp" },
    ...more,
  });
  const sync = (more: Partial<SyncRequest> = {}): Promise<Synced> => ssh.sync(endpoint(), request(more), soon());

  test("stay at the target as they are", async () => {
    expect((await sync()).summary).toBe("1 file to copy (1 B), 1 to remove");
    expect(await ssh.previewSync(endpoint(), request({}), soon())).toMatchObject({ summary: "nothing to do" });
    expect([existsSync(join(there, "lost+found")), existsSync(join(there, "stale"))]).toEqual([true, false]);
    await ssh.removeSynced(endpoint(), request({}), soon());
    expect(existsSync(join(there, "sub", "lost"))).toBe(true);
  });

  test("are an error where the source has something for them", async () => {
    furnish(here, { "lost+found/b": "b" });
    expect(await failureOf(sync())).toMatchObject({ code: "COPY_FAILED", message: expect.stringMatching(/denied/i) });
  });

  test("are an error in the source, unless they are excluded", async () => {
    const error = await failureOf(sync({ direction: "down" }));
    expect(error).toMatchObject({ code: "COPY_FAILED", message: expect.stringMatching(/can't be read|denied/) });
    await sync({ direction: "down", exclude: ["lost*"] });
    expect(existsSync(join(here, "stale"))).toBe(true);
  });
});

test("a folder of this host, as the target, is treated alike", async () => {
  if (isRoot) process.seteuid?.(NOBODY);
  try {
    const { entries, guarded } = await localTree(there, () => false, "target");
    expect([[...entries.keys()].sort(), [...guarded].sort()]).toEqual([
      ["lost+found", "stale", "sub", "sub/lost"],
      ["lost+found", "sub", "sub/lost"],
    ]);
    expect(await failureOf(localTree(there, () => false))).toMatchObject({ code: "EACCES" });
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
});

/** A server of which only this is known: how its find ends, and what its SFTP lists. */
function remote(exitCode: number, stdout: string): Remote {
  const folder = { mode: 0o040_755, size: 0, mtime: 0 };
  const gone = (path: string) => Promise.reject(new SftpError(NO_SUCH_FILE, "no such file", path));
  const sftp = {
    stat: () => Promise.resolve(folder),
    list: (path: string) =>
      path === "/t/"
        ? Promise.resolve([
            { name: "stays", stats: { ...folder, mode: 0o100_644 } },
            { name: "vanishes", stats: folder },
            { name: "link", stats: { ...folder, mode: 0o120_777 } },
          ])
        : gone(path),
    readLink: gone,
  };
  return {
    exec: () => Promise.resolve({ exitCode, stdout }),
    sftp: (work: (session: unknown) => unknown) => work(sftp),
    signal: soon(),
  } as unknown as Remote;
}

test("what goes away while SFTP lists is gone", async () => {
  const { entries } = await remoteTree(remote(127, ""), "/t", () => false, "source");
  expect([...entries.keys()]).toEqual(["stays", "vanishes"]);
});

test.each([
  ["find", 1],
  ["our helper", 4],
])("what goes away while %s lists the target costs nothing; a source is listed once more", async (_, exitCode) => {
  const found = remote(exitCode, ["no", "f", "644", "1", "1.5", "found", "", ""].join("\0"));
  expect([...(await remoteTree(found, "/t", () => false, "target")).entries.keys()]).toEqual(["found"]);
  expect((await remoteTree(found, "/t", () => false, "source")).entries.has("stays")).toBe(true);
});

test("our helper lists what find does", async () => {
  const odd = "two\nlines \u00e9 *";
  furnish(there, { [`${odd}/${odd}`]: "x", "deep/er/still": "four", empty: null });
  symlinkSync("/no where", join(there, "deep", "link"));
  execFileSync("mkfifo", [join(there, "pipe")]);
  execFileSync("touch", ["-d", "@-1.5", join(there, "deep/er/still")]);
  chmodSync(join(there, "deep/er/still"), 0o4751);
  const listed = async ({ endpoint }: Sshd) => {
    const exec = (request: Parameters<Remote["exec"]>[0]) => ssh.exec(endpoint, request, soon());
    const only = { exec, sftp: () => Promise.reject(new Error("no listing")), signal: soon() };
    const { entries, guarded } = await remoteTree(only as unknown as Remote, there, () => false, "target");
    return { entries: Object.fromEntries(entries), guarded: [...guarded].sort() };
  };
  const found = await listed(whole);
  expect(found.entries).toMatchObject({
    [`${odd}/${odd}`]: { kind: "file", size: 1 },
    "deep/er/still": { mode: 0o4751, size: 4, modified: -2 },
    "deep/link": { kind: "link", target: "/no where" },
  });
  expect(await listed(guest)).toEqual(found);
});

test("a sync to / does not walk through what the kernel makes up", async () => {
  await using server = await Sshd.start({ sftp: "/usr/lib/openssh/sftp-server" });
  const exec = (request: Parameters<Remote["exec"]>[0]) => ssh.exec(server.endpoint, request, soon());
  const { entries, guarded } = await remoteTree({ ...remote(0, ""), exec }, "/proc/sys", () => false, "target");
  expect([entries.has("kernel"), guarded.has("kernel"), entries.has("kernel/hostname")]).toEqual([true, true, false]);
});
