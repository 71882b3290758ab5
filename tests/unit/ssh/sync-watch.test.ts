import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type * as Files from "node:fs";
import { afterAll, afterEach, beforeAll, beforeEach, expect, jest, test } from "@jest/globals";
import { until } from "../../../provider/host/until";
import { FolderWatch } from "../../../provider/ssh/folder-watch";
import { Ssh, type WatchOutcome, type WatchRequest } from "../../../provider/ssh/ssh";
import { excluding } from "../../../provider/ssh/sync-tree";
import { Sshd } from "../../support/sshd";

const ssh = new Ssh();
let server: Sshd;
let here: string;
let there: string;
let outcomes: WatchOutcome[];
let ending: AbortController;
let watching: Promise<void> | undefined;
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
  [outcomes, ending] = [[], new AbortController()];
});
afterEach(async () => {
  ending.abort();
  await watching;
});

/** Watches from now on; returns when the first sync has ended. */
async function watched(more: Partial<WatchRequest> = {}): Promise<void> {
  const onSync = (outcome: WatchOutcome) => outcomes.push(outcome);
  const request = { localPath: here, remotePath: there, exclude: [], removes: true, onSync, ...more };
  watching = ssh.watch(server.endpoint, request, ending.signal);
  await seen("the first sync", () => outcomes.length > 0);
}

async function seen(what: string, probe: () => boolean): Promise<void> {
  const diagnose = () => ({ remedy: "", evidence: JSON.stringify(outcomes) });
  const signal = AbortSignal.timeout(15_000);
  await until(what, () => Promise.resolve(probe() || undefined), { signal, interval: 5, diagnose });
}

const arrived = (path: string, text: string) =>
  seen(path, () => existsSync(join(there, path)) && readFileSync(join(there, path), "utf8") === text);
const gone = (path: string) => seen(`${path} goes`, () => !existsSync(join(there, path)));

function write(path: string, text: string): void {
  mkdirSync(dirname(join(here, path)), { recursive: true });
  writeFileSync(join(here, path), text);
}

/** Folders that this process watches. */
function watches(): number {
  const infos = readdirSync("/proc/self/fdinfo").map((name) => {
    try {
      return readFileSync(`/proc/self/fdinfo/${name}`, "utf8");
    } catch {
      return ""; // closed meanwhile
    }
  });
  return infos.join("").match(/^inotify wd:/gm)?.length ?? 0;
}

test("what is there is synced, and then each change, also in the same second and of the same size", async () => {
  write("a", "1");
  await watched();
  expect(outcomes).toEqual([expect.objectContaining({ kind: "synced", summary: "1 file to copy (1 B)", files: 1 })]);
  for (const text of ["2", "3", "4"]) {
    write("a", text);
    await arrived("a", text);
  }
  appendFileSync(join(here, "a"), "5");
  await arrived("a", "45");
  rmSync(join(here, "a"));
  await gone("a");
  symlinkSync("nowhere", join(here, "link"));
  await seen("link", () => readdirSync(there).includes("link"));
  expect(outcomes.filter(({ kind }) => kind === "failed")).toEqual([]);
});

test("new folders are watched, however they come", async () => {
  await watched();
  write("a/b/c/x", "1");
  await arrived("a/b/c/x", "1");
  write("a/b/c/x", "22");
  await arrived("a/b/c/x", "22");

  const elsewhere = `${here} elsewhere`;
  mkdirSync(join(elsewhere, "deep"), { recursive: true });
  renameSync(elsewhere, join(here, "moved"));
  await seen("moved/deep", () => existsSync(join(there, "moved/deep")));
  write("moved/deep/y", "1");
  await arrived("moved/deep/y", "1");

  renameSync(join(here, "moved"), join(here, "renamed"));
  await arrived("renamed/deep/y", "1");
  write("renamed/deep/y", "22");
  await arrived("renamed/deep/y", "22");
});

test("a folder that is removed and made again is watched again", async () => {
  write("a/a/x", "1"); // of its own name, which an event can't tell from itself
  await watched();
  rmSync(join(here, "a"), { recursive: true });
  write("a/a/x", "2");
  await arrived("a/a/x", "2");
  write("a/a/x", "33");
  await arrived("a/a/x", "33");
  write("a/y", "1");
  await arrived("a/y", "1");
});

test("a mode is a change, and no more than that", async () => {
  write("a", "1");
  await watched();
  chmodSync(join(here, "a"), 0o751);
  await seen("its sync", () => outcomes.length > 1); // told of after the mode is there
  expect(outcomes.at(-1)).toMatchObject({ summary: "1 mode to change" });
  expect(statSync(join(there, "a")).mode & 0o777).toBe(0o751);
});

test("what is excluded is neither watched nor synced", async () => {
  const before = watches();
  for (let n = 0; n < 5; n += 1) write(`node_modules/${String(n)}/x`, "1");
  write("src/x", "1");
  await watched({ exclude: ["node_modules/", "*.log"] });
  expect(watches() - before).toBe(2);
  for (const name of ["node_modules/1/x", "node_modules/new/x", "src/a.log"]) write(name, "2");
  write("src/x", "2");
  await arrived("src/x", "2");
  expect(readdirSync(there)).toEqual(["src"]);
  ending.abort();
  await watching;
  expect(watches()).toBe(before);
});

test("what is excluded has no event", async () => {
  mkdirSync(join(here, "src"));
  let events = 0;
  using folder = new FolderWatch(here, await excluding(["*.log"]), () => (events += 1));
  await folder.follow();
  write("src/a.log", "1");
  write("b.log", "1");
  mkdirSync(join(here, "src/folder")); // one event; those of a folder come in order
  mkdirSync(join(here, "folder"));
  await seen("both folders", () => events > 1);
  expect(events).toBe(2);
});

test("a burst of changes is few syncs; one that never rests is synced all the same", async () => {
  await watched({ debounceMs: 300 });
  for (let n = 0; n < 50; n += 1) write(`many/${String(n)}`, "x");
  await seen("their sync", () => outcomes.length > 1);
  expect(outcomes[1]).toMatchObject({ summary: "50 files to copy (50 B), 1 folder to make" });

  let n = 0;
  const writer = setInterval(() => write("busy", String((n += 1))), 20);
  try {
    await seen("busy", () => existsSync(join(there, "busy")));
  } finally {
    clearInterval(writer);
  }
});

test("what fails is reported, and tried again at the next change", async () => {
  write("a", "1");
  await watched({ removes: false });
  rmSync(join(there, "a"));
  mkdirSync(join(there, "a")); // of another kind, in the way
  write("a", "2");
  await seen("the failure", () => outcomes.at(-1)?.kind === "failed");
  expect(outcomes.at(-1)).toMatchObject({
    error: { code: "COPY_FAILED", message: expect.stringMatching(/in the way/) },
  });
  rmSync(join(there, "a"), { recursive: true });
  write("b", "1");
  await arrived("a", "2");
  await arrived("b", "1");
});

test("a server that is gone for a while is reported, and gets what it has missed", async () => {
  await using own = await Sshd.start({ sftp: "/usr/lib/openssh/sftp-server" });
  const endpoint = { ...own.endpoint, dialErrorLimit: 1 };
  const onSync = (outcome: WatchOutcome) => outcomes.push(outcome);
  const request = { localPath: here, remotePath: there, exclude: [], removes: true, onSync };
  watching = ssh.watch(endpoint, request, ending.signal);
  await seen("the first sync", () => outcomes.length > 0);
  await own.kill();
  write("a", "1");
  await seen("the failure", () => outcomes.at(-1)?.kind === "failed");
  expect(outcomes.at(-1)).toMatchObject({ error: { code: "CONNECT_FAILED" } });
  await own.restart();
  write("b", "2");
  await arrived("a", "1");
  await arrived("b", "2");
});

test("a source that is gone empties nothing; it is reported once, and watched again when it is back", async () => {
  write("a", "1");
  await watched();
  rmSync(here, { recursive: true });
  await seen("the failure", () => outcomes.at(-1)?.kind === "failed");
  expect(outcomes.at(-1)).toMatchObject({ error: { code: "NOT_FOUND" } });
  expect(readFileSync(join(there, "a"), "utf8")).toBe("1");
  write("b", "2");
  await arrived("b", "2");
  write("b", "33");
  await arrived("b", "33");
  expect(outcomes.filter(({ kind }) => kind === "failed")).toHaveLength(1);
});

test("the signal ends it at rest and at work", async () => {
  await watched();
  ending.abort();
  await watching;
  write("late", "1");

  ending = new AbortController();
  write("big", "x".repeat(50_000_000));
  const onSync = (outcome: WatchOutcome) => outcomes.push(outcome);
  const request = { localPath: here, remotePath: `${there}2`, exclude: [], removes: true, onSync };
  const count = outcomes.length;
  watching = ssh.watch(server.endpoint, request, ending.signal);
  await seen("it has begun", () => existsSync(`${there}2`));
  ending.abort();
  await watching;
  expect(outcomes).toHaveLength(count);
  expect(existsSync(join(there, "late"))).toBe(false);
});

test.each([
  ["ENOSPC", "max_user_watches"],
  ["EMFILE", "max_user_instances"],
])("where watching fails with %s, the limit to raise is %s", async (code, limit) => {
  const watch = jest.spyOn(jest.requireActual<typeof Files>("node:fs"), "watch").mockImplementation(() => {
    throw Object.assign(new Error(`${code}: no more`), { code, syscall: "watch" });
  });
  try {
    using folder = new FolderWatch(here, await excluding([]), () => undefined);
    await expect(folder.follow()).rejects.toMatchObject({
      code: "COPY_FAILED",
      remedy: expect.stringContaining(`fs.inotify.${limit}=`) as unknown,
    });
  } finally {
    watch.mockRestore();
  }
});
