import { once } from "node:events";
import { mkdtemp, open, rename, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { MayflyError } from "../errors";
import { run } from "../host/run";
import { draftName, draftOf } from "./draft";
import { isSparse } from "./holes";
import { onServer, type Remote } from "./remote";
import { splice } from "./splice";
import type { Sftp } from "./sftp";
import type { Tree } from "./sync-tree";

/** Files that have to travel. */
export interface Transfer {
  readonly direction: "up" | "down";
  readonly localPath: string;
  readonly remotePath: string;
  /** What is to arrive. */
  readonly from: Tree;
  readonly files: readonly string[];
  /** Drafts on the server that are still there, for whoever comes after this session. */
  readonly drafts: Set<string>;
}

/** A small file is four journeys, one after the other. As a large one may have 4 MiB on its way, these have 64 MiB. */
const FILES_AT_A_TIME = 16;

/** Does something with each of many things, a few at a time. */
export async function eachOf<T>(items: Iterable<T>, lanes: number, work: (item: T) => Promise<void>): Promise<void> {
  const iterator = items[Symbol.iterator]();
  let failed = false;
  const lane = async () => {
    for (let next = iterator.next(); next.done !== true && !failed; next = iterator.next()) {
      try {
        await work(next.value);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: lanes }, lane));
  for (const result of ended) if (result.status === "rejected") throw result.reason;
}

/** Moves files by SFTP: each into a draft, which then takes its place. */
export async function bySftp(sftp: Sftp, transfer: Transfer): Promise<void> {
  const move = transfer.direction === "up" ? sendFile : fetchFile;
  await eachOf(transfer.files, FILES_AT_A_TIME, (path) => move(sftp, transfer, path));
}

/** Removes what an earlier session has left. */
export async function removeDrafts(sftp: Sftp, drafts: Set<string>): Promise<void> {
  for (const draft of drafts) {
    await sftp.unlink(draft);
    drafts.delete(draft);
  }
}

async function sendFile(sftp: Sftp, { localPath, remotePath, from, drafts }: Transfer, path: string): Promise<void> {
  const { mode = 0o644, modified = 0 } = from.entries.get(path) ?? {};
  const place = `${onServer(remotePath)}/${path}`;
  const draft = draftOf(place);
  await using local = await open(join(localPath, path), "r");
  const stats = await local.stat();
  drafts.add(draft);
  try {
    const file = await sftp.open(draft, "wx");
    const read = async (buffer: Buffer, length: number, position: number) =>
      (await local.read(buffer, 0, length, position)).bytesRead;
    await file.fill(read, stats.size, 0, () => undefined, isSparse(stats));
    // One journey: a server does what concerns one file in the order in which it is asked (the SFTP draft, section 4.1).
    await Promise.all([file.set({ mode, atime: modified, mtime: modified }), file.close()]);
    await sftp.replace(draft, place);
    drafts.delete(draft);
  } catch (error) {
    await removeDrafts(sftp, new Set([draft])).then(
      () => drafts.delete(draft),
      () => undefined,
    );
    throw error;
  }
}

async function fetchFile(sftp: Sftp, { localPath, remotePath, from }: Transfer, path: string): Promise<void> {
  const { mode = 0o644, modified = 0, size = 0 } = from.entries.get(path) ?? {};
  const place = join(localPath, path);
  const draft = join(dirname(place), draftName());
  const file = await sftp.open(`${onServer(remotePath)}/${path}`, "r");
  try {
    await using local = await open(draft, "wx", 0o600);
    await file.drain(local, size, 0, () => undefined);
    await file.close();
    await local.chmod(mode);
    await local.utimes(modified, modified);
    await rename(draft, place);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

/** Of rsync: a wrong use, a broken stream, a trouble between its processes. It has not understood the other side. */
const NOT_UNDERSTOOD = /with exit code (?:2|12|14)\b/;

/**
 * Moves files by rsync, where both sides have it. rsync's own remote shell is a small program that hands the stream to
 * us: so it travels over the connection that is open already, and no key is written for another one.
 *
 * @returns `false` when there is no rsync here or there, or none that can talk; then nothing is certain to have moved.
 */
export async function byRsync(remote: Remote, transfer: Transfer): Promise<boolean> {
  const { direction, localPath, remotePath, from, files } = transfer;
  const folder = await mkdtemp(join(tmpdir(), "mayfly-"));
  const socket = join(folder, "s");
  const server = createServer({ allowHalfOpen: true }, (one) => void bridge(remote, one));
  try {
    server.listen(socket);
    await once(server, "listening");
    const [here, there] = [`${localPath}/`, `guest:${onServer(remotePath)}/`];
    const shell = [process.execPath, remote.rsyncShell, socket].map(quoteForRsync).join(" ");
    // What differs we know better: --ignore-times, or it passes over a file that was changed twice within a second.
    const options = ["--from0", "--files-from=-", "--no-implied-dirs", "--ignore-times", "--times"];
    // Whatever a server says of modes, none on this host is to be wider than the umask, nor special, for a moment even.
    if (direction === "up") options.push("--perms");
    // It writes in steps of 1 KiB then, which costs an emulated guest too much where there are no holes.
    if (direction === "down" || files.some((path) => from.entries.get(path)?.isSparse === true))
      options.push("--sparse");
    const ends = direction === "up" ? [here, there] : [there, here];
    const input = files.map((path) => `./${path}\0`).join(""); // rsync passes over a line that begins with # or ;
    await run("rsync", [...options, "--protect-args", "-e", shell, "--", ...ends], { signal: remote.signal, input });
    return true;
  } catch (error) {
    if (!(error instanceof MayflyError)) throw error;
    if (error.code === "TOOL_MISSING" || NOT_UNDERSTOOD.test(error.message)) return false;
    throw error;
  } finally {
    server.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Carries one stream of rsync: first a line with what is to be run there, then whatever both sides say. */
async function bridge(remote: Remote, socket: Socket): Promise<void> {
  socket.on("error", () => undefined);
  try {
    const line = await firstLine(socket);
    await remote.session(line, async (channel, traffic) => {
      channel.stderr.resume(); // what it says there, it also says here
      splice(socket, channel, traffic);
      await once(channel, "close");
    });
  } catch {
    socket.destroy(); // rsync says that the stream broke
  }
}

async function firstLine(socket: Socket): Promise<string> {
  let seen = Buffer.alloc(0);
  for (;;) {
    const [chunk] = (await once(socket, "data")) as [Buffer];
    seen = Buffer.concat([seen, chunk]);
    const end = seen.indexOf("\n");
    if (end < 0) continue;
    socket.pause();
    socket.unshift(seen.subarray(end + 1));
    return seen.toString("utf8", 0, end);
  }
}

/** rsync takes its shell apart at blanks; quotes hold, and a doubled quote is one. */
function quoteForRsync(word: string): string {
  return `'${word.replaceAll("'", "''")}'`;
}
