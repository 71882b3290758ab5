import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import type { MayflyError } from "../../../provider/errors";
import { until } from "../../../provider/host/until";
import { Ssh, type Endpoint, type Synced, type SyncRequest } from "../../../provider/ssh/ssh";
import { failureOf } from "../../support/context";
import { furnish, picture } from "../../support/folders";
import { Sshd } from "../../support/sshd";

const ssh = new Ssh(join(__dirname, "..", "..", "..", "sdk", "dist", "provider", "rsync-shell.js"));
const soon = () => AbortSignal.timeout(30_000);
let server: Sshd;
let bare: Sshd;
let here: string;
let there: string;
let tests = 0;

beforeAll(async () => {
  server = await Sshd.start({ sftp: "/usr/lib/openssh/sftp-server" });
  bare = await Sshd.start({ sftp: "internal-sftp", config: ["ForceCommand internal-sftp"] });
});
afterAll(async () => {
  await ssh.close();
  await server[Symbol.asyncDispose]();
  await bare[Symbol.asyncDispose]();
});
beforeEach(() => {
  tests += 1;
  [here, there] = ["here", "there"].map((name) => join(server.folder, `${name} ${String(tests)}`)) as [string, string];
});

function request(more: Partial<SyncRequest> = {}): SyncRequest {
  return { direction: "up", localPath: here, remotePath: there, exclude: [], removes: false, ...more };
}

const odd = {
  "a file": "one",
  "b/c/deep": "two",
  empty: null,
  "b/link": "-> ../a file",
  dangling: "-> /no/such/place",
  "b/to-folder": "-> c",
  "ünïcødé ☃": "three",
  "line\nbreak": "four",
  "-rf": "five",
  "quo'te\"s": "six",
  "back\\slash": "seven",
  "*": "eight",
  ".hidden/.file": "nine",
  "  blanks  ": "ten",
  nothing: "",
  "#a note#": "eleven",
  ";semicolon": "twelve",
};

/** The ways files travel; the result has to be the same. */
const ways: [string, () => Endpoint, SyncRequest["by"]][] = [
  ["rsync", () => server.endpoint, "rsync"],
  ["SFTP", () => server.endpoint, "sftp"],
  ["SFTP alone, without a shell there", () => bare.endpoint, undefined],
];

describe.each(ways)("by %s", (_way, endpoint, by) => {
  const sync = (more: Partial<SyncRequest> = {}): Promise<Synced> =>
    ssh.sync(endpoint(), request({ by, ...more }), soon());

  test.each(["up", "down"] as const)("odd names, links, modes and times arrive as they are (%s)", async (direction) => {
    const [from, to] = direction === "up" ? [here, there] : [there, here];
    furnish(from, odd);
    chmodSync(join(from, "a file"), 0o4751);
    chmodSync(join(from, "b/c/deep"), 0o400);
    chmodSync(join(from, "b/c"), 0o555);
    chmodSync(join(from, "empty"), 0o2770);
    utimesSync(join(from, "b/c/deep"), 1_000_000_000, 1_000_000_000);
    const first = await sync({ direction });
    expect(first).toMatchObject({ isChange: true, files: 13, size: 51 });
    // What a server says of special bits, and of who else may write, does not count on this host (its umask is 022).
    expect(picture(to)).toEqual(picture(from, direction === "up" ? 0o7777 : 0o755));
    const { files, size } = first;
    expect(await sync({ direction })).toMatchObject({ files, size, isChange: false, summary: "nothing to do" });
  });

  test("only what differs is touched", async () => {
    furnish(here, { a: "a", b: "b", c: "c" });
    await sync();
    const inode = (name: string) => lstatSync(join(there, name)).ino;
    const before = [inode("a"), inode("b")];
    writeFileSync(join(here, "b"), "bb");
    chmodSync(join(here, "c"), 0o700);
    expect((await sync()).summary).toBe("1 file to copy (2 B), 1 mode to change");
    expect(picture(there)).toEqual(picture(here));
    expect(inode("a")).toBe(before[0]);
    expect(inode("b")).not.toBe(before[1]); // replaced in one step
  });

  test("a time with a fraction is that of its second, on both sides", async () => {
    const old = by === undefined ? {} : { old: "@-1.5", older: "@-7" }; // SFTP knows no time before 1970
    const times = { late: "@1700000000.999999999", early: "@1700000001.000000001", ...old };
    for (const folder of [here, there]) {
      furnish(folder, Object.fromEntries(Object.keys(times).map((name) => [name, name])));
      for (const [name, time] of Object.entries(times)) execFileSync("touch", ["-d", time, join(folder, name)]);
    }
    expect(await sync()).toMatchObject({ summary: "nothing to do", isChange: false });
    execFileSync("touch", ["-d", "@1700000001", join(there, "late")]);
    expect(await sync()).toMatchObject({ summary: "1 time to set" });
  });

  test("what is only there stays, or goes when asked to", async () => {
    furnish(here, { a: "a" });
    furnish(join(there, "..", "outside"), { x: "x" });
    furnish(there, { "old/er/file": "x", "old/link": "-> ../../outside", file: "y" });
    await sync();
    expect(Object.keys(picture(there))).not.toHaveLength(1);
    expect((await sync({ removes: true })).summary).toBe("5 to remove");
    expect(picture(there)).toEqual(picture(here));
    expect(existsSync(join(there, "..", "outside", "x"))).toBe(true); // a link is removed, not what it leads to
  });

  test("what is excluded is neither copied nor removed", async () => {
    furnish(here, {
      "a.log": "1",
      "keep.log": "2",
      "src/b.log": "3",
      "src/x": "4",
      "node_modules/m": "5",
      "build/o": "6",
    });
    furnish(there, { "node_modules/theirs": "a", "sub/their.log": "b", "sub/old": "c", empty: null });
    const exclude = ["# a comment", "*.log", "!keep.log", "node_modules/", "/build"];
    await sync({ exclude, removes: true });
    expect(Object.keys(picture(there)).sort()).toEqual(
      ["keep.log", "node_modules", "node_modules/theirs", "src", "src/x", "sub", "sub/their.log"].sort(),
    );
    expect(await sync({ exclude, removes: true })).toMatchObject({ isChange: false });
  });

  test("what is of another kind there is in the way, or goes when asked to", async () => {
    furnish(here, { a: "file", "b/x": "in a folder", c: "-> a" });
    furnish(there, { "a/deep/er": "in a folder", b: "file", c: "file" });
    expect(await failureOf<MayflyError>(sync())).toMatchObject({
      code: "COPY_FAILED",
      message: expect.stringMatching(/there \d+\/\w is in the way/),
    });
    await sync({ removes: true });
    expect(picture(there)).toEqual(picture(here));
  });

  test("an empty folder; the target is made with all folders above", async () => {
    there = join(there, "new", "er");
    furnish(here, {});
    await sync();
    expect(picture(there)).toEqual({});
    expect(await sync()).toMatchObject({ isChange: false, files: 0 });
  });

  test.each(["up", "down"] as const)("a source that is not there empties nothing (%s)", async (direction) => {
    furnish(direction === "up" ? there : here, { a: "a" });
    const error = await failureOf<MayflyError>(sync({ direction, removes: true }));
    expect(error).toMatchObject({ code: "NOT_FOUND", message: expect.stringContaining("there is no folder") });
    expect(readdirSync(direction === "up" ? there : here)).toEqual(["a"]);
  });

  test.each(["up", "down"] as const)("other times alone copy nothing, and are set (%s)", async (direction) => {
    const [from, to] = direction === "up" ? [here, there] : [there, here];
    furnish(from, odd);
    await sync({ direction });
    const inode = () => lstatSync(join(to, "b/c/deep")).ino;
    const before = inode();
    utimesSync(join(from, "b/c/deep"), 1_000_000_000, 1_000_000_000);
    utimesSync(join(from, "line\nbreak"), 1_000_000_000, 1_000_000_000);
    expect(await sync({ direction })).toMatchObject({ summary: "2 times to set", isChange: false });
    expect(picture(to)).toEqual(picture(from));
    expect(inode()).toBe(before);
  });

  test.each(["up", "down"] as const)(
    "a change within the same second, of the same size, travels (%s)",
    async (direction) => {
      const [from, to] = direction === "up" ? [here, there] : [there, here];
      const second = Math.floor(Date.now() / 1_000);
      const write = (text: string) => {
        furnish(from, { "a\nb": text, c: "c" });
        for (const name of ["a\nb", "c"]) utimesSync(join(from, name), second, second);
      };
      write("one");
      await sync({ direction });
      write("two");
      expect(await sync({ direction, lastBegun: second + 1 })).toMatchObject({ isChange: false }); // as rsync has it
      const expected = { summary: "1 file to copy (3 B)" };
      expect(await ssh.previewSync(endpoint(), request({ direction }), soon())).toMatchObject(expected);
      expect(await sync({ direction, lastBegun: second })).toMatchObject(expected);
      expect(readFileSync(join(to, "a\nb"), "utf8")).toBe("two");
    },
  );

  test("what was synced goes again, and what else is there stays", async () => {
    furnish(here, odd);
    await sync();
    furnish(there, { "b/theirs": "x", "new/er": "y" });
    rmSync(join(there, "*"));
    await ssh.removeSynced(endpoint(), request(), soon());
    expect(Object.keys(picture(there))).toEqual(["b", "b/theirs", "new", "new/er"]);
    await sync();
    await ssh.removeSynced(endpoint(), request({ removes: true, exclude: ["er"] }), soon());
    expect(Object.keys(picture(there))).toEqual(["new", "new/er"]);
    await ssh.removeSynced(endpoint(), request({ removes: true }), soon());
    await ssh.removeSynced(endpoint(), request({ removes: true }), soon());
    expect(existsSync(there)).toBe(false);
  });

  test("many files", async () => {
    furnish(
      here,
      Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`${String(n % 7)}/${String(n)}`, `n${String(n)}`])),
    );
    await sync();
    expect(picture(there)).toEqual(picture(here));
    for (let n = 0; n < 300; n += 100) writeFileSync(join(here, String(n % 7), String(n)), "changed");
    expect(await ssh.previewSync(endpoint(), request(), soon())).toMatchObject({ summary: "3 files to copy (21 B)" });
    await sync();
    expect(picture(there)).toEqual(picture(here));
  });
});

test("a preview changes nothing", async () => {
  furnish(here, odd);
  furnish(there, { old: "x" });
  const before = picture(there);
  const { summary } = await ssh.previewSync(server.endpoint, request({ removes: true }), soon());
  expect(summary).toBe("13 files to copy (51 B), 3 links to make, 4 folders to make, 1 to remove");
  expect(picture(there)).toEqual(before);
});

test("rsync travels over the connection that is open already", async () => {
  // One that tells how it ended: where it fails to talk, files go by SFTP, and nobody sees it.
  const folder = join(server.folder, "bin");
  furnish(folder, {
    rsync: `#!/bin/sh\n/usr/bin/rsync "$@"\nended=$?\necho $ended >>'${folder}/ended'\nexit $ended\n`,
  });
  chmodSync(join(folder, "rsync"), 0o755);
  const [before, path] = [server.logins, process.env["PATH"]];
  furnish(here, Object.fromEntries(Array.from({ length: 100 }, (_, n) => [String(n), "x"])));
  process.env["PATH"] = `${folder}:${path ?? ""}`;
  try {
    await ssh.sync(server.endpoint, request(), soon());
  } finally {
    process.env["PATH"] = path;
  }
  expect(readFileSync(join(folder, "ended"), "utf8")).toBe("0\n");
  expect(picture(there)).toEqual(picture(here));
  expect(server.logins - before).toBeLessThan(2);
});

test("without rsync on this host the files go by SFTP", async () => {
  await using poor = await Sshd.start({ sftp: "/usr/lib/openssh/sftp-server" });
  furnish(here, odd);
  const path = process.env["PATH"];
  process.env["PATH"] = "/nowhere";
  try {
    await ssh.sync(poor.endpoint, request({ by: "rsync" }), soon());
  } finally {
    process.env["PATH"] = path;
  }
  expect(picture(there)).toEqual(picture(here));
});

test("everything is given to an owner, when one is named", async () => {
  const isRoot = process.getuid?.() === 0;
  const me = execFileSync("id", ["-un"]).toString().trim();
  const owner = isRoot ? "nobody:nogroup" : me;
  furnish(here, odd);
  await ssh.sync(server.endpoint, request({ owner }), soon());
  const uids = readdirSync(there, { recursive: true, encoding: "utf8" }).map(
    (path) => lstatSync(join(there, path)).uid,
  );
  expect([...new Set(uids)]).toEqual([isRoot ? 65_534 : process.getuid?.()]);
  expect(lstatSync(there).uid).toBe(isRoot ? 65_534 : process.getuid?.());
  const error = await failureOf(ssh.sync(server.endpoint, request({ owner: "no-such-user" }), soon()));
  expect(error).toMatchObject({ code: "COPY_FAILED", message: expect.stringMatching(/no-such-user/) });
});

test("a connection that breaks is made again, and the sync comes to its end", async () => {
  await using own = await Sshd.start({ sftp: "/usr/lib/openssh/sftp-server" });
  furnish(here, { big: "x".repeat(100_000_000), small: "y" });
  const syncing = ssh.sync(own.endpoint, request({ by: "sftp" }), soon());
  const begun = () =>
    Promise.resolve(existsSync(there) && readdirSync(there).some((name) => name.includes("part")) ? true : undefined);
  await until("it has begun", begun, { signal: soon(), interval: 2, diagnose: () => ({ remedy: "" }) });
  for (const pid of await own.sessionProcesses()) process.kill(pid, "SIGKILL");
  await syncing;
  expect(own.logins).toBe(2);
  expect(picture(there)).toEqual(picture(here)); // without the drafts that the broken connection has left
});

test("the signal ends a sync, rsync with it", async () => {
  furnish(here, { big: "x".repeat(60_000_000) });
  const controller = new AbortController();
  const syncing = failureOf(ssh.sync(server.endpoint, request({ by: "rsync" }), controller.signal));
  const begun = () => Promise.resolve(existsSync(there) ? true : undefined);
  await until("it has begun", begun, { signal: soon(), interval: 2, diagnose: () => ({ remedy: "" }) });
  controller.abort(new Error("enough"));
  expect((await syncing).message).toBe("enough");
  rmSync(there, { recursive: true });
});
