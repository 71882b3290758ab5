import { join } from "node:path";
import { MayflyError } from "../errors";
import { quote } from "../host/shell";
import { tamed } from "../host/umask";
import { explainFiles } from "./file-trouble";
import { hashFile } from "./local-files";
import { onServer, persist, type Remote } from "./remote";
import { hashOverSftp, remoteHashes } from "./remote-hash";
import type { Sftp } from "./sftp";
import { LOST, SftpError } from "./sftp-error";
import { describe, doubtfulFiles, isEmpty, planRemoval, planSync, settledFiles } from "./sync-plan";
import type { Plan, Settled } from "./sync-plan";
import { localSide, remoteSide, type Side } from "./sync-sides";
import { byRsync, bySftp, eachOf, removeDrafts, type Transfer } from "./sync-transfer";
import { excluding, localTree, remoteTree, type Tree } from "./sync-tree";

/** Two folders, of which one is made like the other. */
export interface SyncRequest {
  /** `up`: to the server. `down`: from it. */
  readonly direction: "up" | "down";
  readonly localPath: string;
  /** Absolute, or `~/…`. */
  readonly remotePath: string;
  /** Patterns as in `.gitignore`: what they match is neither copied nor removed. */
  readonly exclude: readonly string[];
  /** Whether what is only at the target is removed. */
  readonly removes: boolean;
  /** `user`, `user:group` or `:group`, for all that is synced to a server. @default who logs in */
  readonly owner?: string | undefined;
  /** How files travel. @default by rsync where both sides have it and it is worth its start, else by SFTP */
  readonly by?: "rsync" | "sftp" | undefined;
  /**
   * When the last sync began, in seconds since 1970: files that were changed then or later are compared by their
   * content, as they may have been changed again within the same second. @default a minute ago
   */
  readonly lastBegun?: number | undefined;
  /**
   * What the last sync has told of the files that it sent: any other of the same size is compared by its content, with an
   * empty list each of them. @default times of change are believed, as rsync does
   */
  readonly settled?: Settled | undefined;
}

/** What a sync has done, or would do. */
export interface Synced {
  /** In words: `3 files to copy (1.2 kB), 1 to remove`. */
  readonly summary: string;
  /** Whether anything differs but times of change. */
  readonly isChange: boolean;
  /** Number of files in the source. */
  readonly files: number;
  /** Their bytes. */
  readonly size: number;
  /** What the files of this host were that it sent; see {@link SyncRequest.settled}. */
  readonly settled: Settled;
}

/** Starting rsync on both sides costs some 0.1 s, under emulation 0.5 s; in that time SFTP moves this. */
const WORTH_FILES = 40;
const WORTH_BYTES = 1_048_576;
/** Starting a hash tool there costs 0.2 s under emulation; in that time SFTP fetches this. */
const WORTH_FETCHING_BYTES = 262_144;
const CALLS_AT_A_TIME = 32;
const RECENT_SECONDS = 60; // without a word on the last sync

/** Makes one folder like the other. Only what differs travels. */
export async function sync(remote: Remote, request: SyncRequest): Promise<Synced> {
  const drafts = new Set<string>();
  const begun = now();
  try {
    let looking: Promise<Trees> | undefined = lookAtBoth(remote, request); // while SFTP starts there
    looking.catch(() => undefined); // heard below
    return await persist(remote, async (sftp) => {
      await removeDrafts(sftp, drafts);
      const trees = await (looking ?? lookAtBoth(remote, request));
      looking = undefined; // a second session looks anew
      const { plan, from, hasRsync } = await compare(remote, request, trees, sftp);
      await apply(remote, sftp, request, plan, { from, hasRsync, drafts });
      return outcome(plan, from, begun);
    });
  } catch (error) {
    if (drafts.size > 0) await remote.cleanUp((sftp) => removeDrafts(sftp, drafts));
    throw explain(error, remote, request);
  }
}

/** What a sync would do. */
export async function previewSync(remote: Remote, request: SyncRequest): Promise<Synced> {
  const begun = now();
  try {
    const { plan, from } = await compare(remote, request, await lookAtBoth(remote, request));
    return outcome(plan, from, begun);
  } catch (error) {
    throw explain(error, remote, request);
  }
}

/**
 * Removes from a server what a sync to it has brought: of what is there now, what is in the source too; all but what is
 * excluded where the sync `removes`. Folders that then still hold something stay.
 */
export async function removeSynced(remote: Remote, request: SyncRequest): Promise<void> {
  const { localPath, remotePath, removes } = request;
  const root = onServer(remotePath);
  try {
    const exclude = await excluding(request.exclude);
    const [here, there] = await Promise.all([
      localTree(localPath, exclude),
      remoteTree(remote, remotePath, exclude, "target"),
    ]);
    const paths = planRemoval(here, there, removes);
    await persist(remote, async (sftp) => {
      await removeAll(remoteSide(sftp, root), paths);
      // What is excluded may still be in it; then the server refuses, each in words of its own.
      if (paths.length === there.entries.size) await sftp.removeFolder(root).catch(unlessLost);
    });
  } catch (error) {
    throw explain(error, remote, request);
  }
}

function unlessLost(error: unknown): void {
  if (!(error instanceof SftpError) || error.status === LOST) throw error;
}

interface Compared {
  readonly plan: Plan;
  readonly from: Tree;
  readonly hasRsync: boolean;
}

interface Trees {
  readonly from: Tree;
  readonly to: Tree;
  readonly hasRsync: boolean;
}

async function lookAtBoth(remote: Remote, request: SyncRequest): Promise<Trees> {
  const { direction, localPath, remotePath } = request;
  const exclude = await excluding(request.exclude);
  const isUp = direction === "up";
  const [here, there] = await Promise.all([
    localTree(localPath, exclude, isUp ? "source" : "target"),
    remoteTree(remote, remotePath, exclude, isUp ? "target" : "source"),
  ]);
  const [from, to] = isUp ? [here, there] : [tame(there), here];
  if (!from.isThere) throw noSource(remote, request);
  return { from, to, hasRsync: there.hasRsync };
}

/** A folder of a server as it is to be on this host. */
function tame(tree: Tree): Tree {
  const mask = tamed(0o777);
  return {
    ...tree,
    entries: new Map([...tree.entries].map(([path, one]) => [path, { ...one, mode: one.mode & mask }])),
  };
}

/** @param sftp A session that is open, if one is. */
async function compare(
  remote: Remote,
  request: SyncRequest,
  { from, to, hasRsync }: Trees,
  sftp?: Sftp,
): Promise<Compared> {
  const doubtful = doubtfulFiles(from, to, request.lastBegun ?? now() - RECENT_SECONDS, request.settled);
  const sizes = new Map(doubtful.map((path) => [path, from.entries.get(path)?.size ?? 0]));
  const contents = { doubtful: new Set(doubtful), same: await sameFiles(remote, request, sizes, sftp) };
  return { plan: planSync(from, to, request.removes, contents), from, hasRsync };
}

/** Which files have the same content here and there. @param sizes Their bytes, the same on both sides. */
async function sameFiles(
  remote: Remote,
  { localPath, remotePath }: SyncRequest,
  sizes: ReadonlyMap<string, number>,
  sftp?: Sftp,
): Promise<ReadonlySet<string>> {
  const paths = [...sizes.keys()];
  if (paths.length === 0) return new Set();
  const [here, there] = [new Map<string, string | undefined>(), new Map<string, string | undefined>()];
  const root = onServer(remotePath);
  const hashThere = async () => {
    if (sftp !== undefined && isFewBytes(sizes))
      await eachOf(sizes, CALLS_AT_A_TIME, async ([path, size]) => {
        there.set(path, await hashOverSftp(sftp, `${root}/${path}`, size));
      });
    else
      for (const [index, hash] of (await remoteHashes(remote, root, paths)).entries())
        there.set(paths[index] ?? "", hash);
  };
  await Promise.all([
    hashThere(),
    eachOf(paths, CALLS_AT_A_TIME, async (path) => {
      here.set(path, await hashFile(join(localPath, path)));
    }),
  ]);
  return new Set(paths.filter((path) => there.get(path) !== undefined && there.get(path) === here.get(path)));
}

/** Whether fetching files costs less than starting a program there that hashes them. */
function isFewBytes(sizes: ReadonlyMap<string, number>): boolean {
  const bytes = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  return sizes.size <= WORTH_FILES && bytes <= WORTH_FETCHING_BYTES;
}

async function apply(
  remote: Remote,
  sftp: Sftp,
  request: SyncRequest,
  plan: Plan,
  { from, hasRsync, drafts }: Pick<Compared, "from" | "hasRsync"> & Pick<Transfer, "drafts">,
): Promise<void> {
  const { direction, localPath, remotePath, removes } = request;
  const side = direction === "up" ? remoteSide(sftp, onServer(remotePath)) : localSide(localPath);
  if (plan.inTheWay.length > 0 && !removes) throw blocked(plan.inTheWay.at(-1) ?? "", request);
  await side.makeRoot();
  await removeAll(side, plan.inTheWay);
  // Writable while they are filled; their own mode comes at the end.
  for (const path of plan.folders) await side.makeFolder(path, modeOf(from, path) | 0o700);
  const transfer: Transfer = { direction, localPath, remotePath, from, files: plan.files, drafts };
  await move(remote, sftp, transfer, wantsRsync(request, plan) && hasRsync);
  await eachOf(plan.times, CALLS_AT_A_TIME, (path) => side.setTime(path, from.entries.get(path)?.modified ?? 0));
  await eachOf(plan.links, CALLS_AT_A_TIME, (path) => side.makeLink(path, from.entries.get(path)?.target ?? ""));
  await removeAll(side, plan.extra);
  await giveAway(remote, request, from);
  const files = direction === "down" ? plan.files : []; // of those that rsync has written over the mode is the old one
  const deepestFirst = [...plan.folders, ...files, ...plan.modes].reverse();
  await eachOf(deepestFirst, CALLS_AT_A_TIME, (path) => side.setMode(path, modeOf(from, path)));
}

function wantsRsync({ by }: SyncRequest, { files, bytes }: Plan): boolean {
  if (by !== undefined) return by === "rsync";
  return files.length > WORTH_FILES || bytes > WORTH_BYTES;
}

async function move(remote: Remote, sftp: Sftp, transfer: Transfer, tryRsync: boolean): Promise<void> {
  if (transfer.files.length === 0) return;
  if (tryRsync && (await byRsync(remote, transfer))) return;
  await bySftp(sftp, transfer);
}

/** One depth after the other, since a folder has to be empty. A list is sorted by depth. */
async function removeAll(side: Side, paths: readonly string[]): Promise<void> {
  for (let at = 0; at < paths.length;) {
    const depth = depthOf(paths[at] ?? "");
    const end = paths.findIndex((path, index) => index > at && depthOf(path) !== depth);
    const level = paths.slice(at, end < 0 ? undefined : end);
    await eachOf(level, CALLS_AT_A_TIME, (path) => side.remove(path));
    at += level.length;
  }
}

function depthOf(path: string): number {
  return path.split("/").length;
}

async function giveAway(remote: Remote, request: SyncRequest, from: Tree): Promise<void> {
  const { direction, owner, remotePath } = request;
  if (owner === undefined || direction === "down") return;
  const command = `cd -- ${quote(onServer(remotePath))} && exec xargs -0 chown -h -- ${quote(owner)}`;
  const stdin = [".", ...[...from.entries.keys()].map((path) => `./${path}`)].map((path) => `${path}\0`).join("");
  const { exitCode, stderr } = await remote.exec({ command, stdin });
  if (exitCode === 0) return;
  throw new MayflyError("COPY_FAILED", `${remotePath} can't be given to ${owner} on ${remote.name}`, {
    evidence: stderr.trim(),
    remedy: "name a user (and group) that exist there, and log in as root or as that user",
  });
}

function modeOf({ entries }: Tree, path: string): number {
  return entries.get(path)?.mode ?? 0o755;
}

function outcome(plan: Plan, from: Tree, begun: number): Synced {
  const files = [...from.entries.values()].filter(({ kind }) => kind === "file");
  return {
    ...{ summary: describe(plan), isChange: !isEmpty(plan), files: files.length },
    size: files.reduce((sum, { size }) => sum + size, 0),
    settled: settledFiles(from, begun),
  };
}

/** Seconds since 1970. */
function now(): number {
  return Date.now() / 1_000;
}

/** Not an empty folder: a slip of the pen in a path would empty the other side. */
function noSource({ name }: Remote, { direction, localPath, remotePath }: SyncRequest): MayflyError {
  const isOurs = direction === "up";
  const what = isOurs ? `${localPath} on this host` : `${remotePath} on ${name}`;
  return new MayflyError("NOT_FOUND", `there is no folder ${what}`, {
    remedy: isOurs
      ? `make it: mkdir -p ${quote(localPath)}`
      : "check the path; what a command makes there, the sync has to depend on: { dependsOn: [command] }",
  });
}

function blocked(path: string, { direction, remotePath, localPath }: SyncRequest): MayflyError {
  const root = direction === "up" ? remotePath : localPath;
  return new MayflyError("COPY_FAILED", `${root}/${path} is in the way: it is of another kind than the source's`, {
    remedy: "remove it, exclude it, or let the sync remove what the source has not: deleteExtra: true",
  });
}

function explain(error: unknown, { name }: Remote, { localPath, remotePath }: SyncRequest): unknown {
  return explainFiles(error, `syncing ${localPath} and ${remotePath} (${name}) failed`);
}
