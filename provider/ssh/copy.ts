import { open, rename, rm, stat, type FileHandle } from "node:fs/promises";
import { dirname, join, posix } from "node:path";
import type { Stats } from "ssh2";
import { MayflyError } from "../errors";
import { makeFolders } from "../host/files";
import { quote } from "../host/shell";
import { tamed } from "../host/umask";
import { ArrivingHash } from "./arriving-hash";
import { draftName, draftOf, openAgain, replaced } from "./draft";
import { explainFiles } from "./file-trouble";
import { openSource } from "./copy-source";
import { hashesOfFile, isHashIn } from "./local-files";
import { onServer, persist, type Remote } from "./remote";
import { remoteHash, remoteSha256 } from "./remote-hash";
import type { RemoteFile } from "./remote-file";
import { kindOf, type Sftp } from "./sftp";
import { NO_SUCH_FILE, SftpError } from "./sftp-error";

/** A file to be copied to a server. */
export interface Upload {
  /** Path on this host, or the bytes themselves. */
  readonly source: string | Uint8Array;
  /** Path there: absolute, or `~/…`. Folders above it that are missing are made. */
  readonly remotePath: string;
  /** Permission bits. @default those of the local file; 0644 for bytes */
  readonly mode?: number | undefined;
  /** `user`, `user:group` or `:group`, as chown(1) takes it; also for folders that are made. @default who logs in */
  readonly owner?: string | undefined;
  /** SHA-256 that the source has to have, in hex. @default whatever it has */
  readonly sha256?: string | undefined;
}

/** A file to be copied from a server. */
export interface Download {
  readonly remotePath: string;
  /** Path on this host. Folders above it that are missing are made. */
  readonly localPath: string;
  /** Permission bits. @default those of the remote file, but for special ones and what the umask takes away */
  readonly mode?: number | undefined;
}

/** What was copied. */
export interface Copied {
  /** SHA-256 of the content, in hex; the same on both sides. */
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
}

const LONG_BYTES = 16_777_216; // a second or two under emulation

/** See `Ssh.upload`. */
export async function upload(remote: Remote, request: Upload): Promise<Copied> {
  const path = onServer(posix.normalize(request.remotePath));
  const source = await openSource(request.source).catch((error: unknown) => {
    throw explainFiles(error, `${String(request.source)} can't be read`);
  });
  const draft = draftOf(path);
  const hash = new ArrivingHash(remote, draft);
  const made = new Set<string>(); // by whichever session
  let sure = 0; // up to here all has arrived, and need not be sent again
  let isBegun = false as boolean; // set by the work below
  const send = async (sftp: Sftp) => {
    isBegun = true;
    await makePlace(sftp, path, made);
    const file = await openDraft(sftp, draft, sure, source.size);
    const onDone = (upTo: number) => {
      sure = upTo;
      if (!source.isSparse) hash.arrived(sure); // else its end may not be written yet
    };
    await file.fill(source.read, source.size, sure, onDone, source.isSparse);
    // All on its way at once: a server does in order what concerns one handle.
    const [, stats] = await Promise.all([file.sync(), file.stat(), file.close()]);
    return stats;
  };
  try {
    const [stats, hashes] = await Promise.all([persist(remote, send), source.hashes()]);
    const { sha256 } = hashes;
    if (request.sha256 !== undefined && sha256 !== request.sha256) throw changed(String(request.source));
    if (!(await isHashIn(await hash.end(source.size), hashes))) throw damaged(draft, remote);
    const mode = request.mode ?? source.mode;
    await finish(remote, { draft, path, stats, mode, owner: await giveAway(remote, request, made) });
    return { sha256, size: source.size };
  } catch (error) {
    hash.cancel();
    if (isBegun) await remote.cleanUp((sftp) => sftp.unlink(draft));
    throw explain(error, remote, request.remotePath);
  } finally {
    await source.close();
  }
}

/** See `Ssh.download`. */
export async function download(remote: Remote, { remotePath, localPath, mode }: Download): Promise<Copied> {
  const path = onServer(posix.normalize(remotePath));
  const draft = join(dirname(localPath), draftName());
  const local = await openLocalDraft(localPath, draft);
  let sure = 0;
  try {
    let hashing: Promise<string> | undefined;
    const stats = await persist(remote, async (sftp) => {
      const seen = await sftp.stat(path);
      if (seen === undefined) throw new SftpError(NO_SUCH_FILE, "no such file", path);
      if (kindOf(seen) !== "file") throw new SftpError(4, "is no file", path);
      // Meanwhile, if it takes a while; a short one does not need a second session for that.
      if (seen.size > LONG_BYTES && sure === 0) hashing = remoteHash(remote, path, seen.size);
      hashing?.catch(() => undefined); // heard below
      const file = await sftp.open(path, "r");
      if (seen.size === 0) await fetchToEnd(file, local);
      else
        await file.drain(local, seen.size, sure, (upTo) => {
          sure = upTo;
        });
      await file.close();
      return seen;
    });
    const theirs = await hashing?.catch(() => undefined); // a broken connection has broken that too
    const { size } = await local.stat();
    const isMadeUp = stats.size === 0 && size > 0; // anew for each reader, so that there is nothing to compare
    const again = isMadeUp ? undefined : (theirs ?? remoteHash(remote, path, stats.size));
    const [hashes, hash] = await Promise.all([hashesOfFile(local), again]);
    if (hash !== undefined && !(await isHashIn(hash, hashes))) throw changed(`${remote.name}:${remotePath}`);
    await local.sync();
    await local.chmod(mode ?? tamed(stats.mode));
    await rename(draft, localPath);
    return { sha256: hashes.sha256, size };
  } catch (error) {
    await rm(draft, { force: true });
    throw explain(error, remote, remotePath);
  } finally {
    await local.close();
  }
}

/** Opens the file that is to become another one, before anything travels that would have no place. */
async function openLocalDraft(place: string, draft: string): Promise<FileHandle> {
  const seen = await stat(place).catch(() => undefined);
  if (seen?.isDirectory() === true)
    throw new MayflyError("COPY_FAILED", `${place} on this host is a folder`, {
      remedy: "name the file within it; for a whole folder there is DirectorySync",
    });
  try {
    await makeFolders(dirname(place));
    return await open(draft, "wx+", 0o600);
  } catch (error) {
    throw explainFiles(error, `no file can be made at ${place} on this host`);
  }
}

/** Fetches a file to its end: the kernel says 0 of the size of those that it makes up while they are read (/proc, /sys). */
async function fetchToEnd(file: RemoteFile, local: FileHandle): Promise<void> {
  await local.truncate();
  let position = 0;
  for await (const chunk of file.content()) {
    await local.write(chunk, 0, chunk.length, position);
    position += chunk.length;
  }
}

/** See `Ssh.fingerprint`. */
export async function fingerprint(remote: Remote, remotePath: string): Promise<Copied | undefined> {
  const path = onServer(posix.normalize(remotePath));
  const stats = await persist(remote, (sftp) => sftp.stat(path));
  if (stats === undefined || kindOf(stats) !== "file") return undefined;
  return { sha256: await remoteSha256(remote, path, stats.size), size: stats.size };
}

/** See `Ssh.removeFile`. */
export async function removeFile(remote: Remote, remotePath: string): Promise<void> {
  try {
    await persist(remote, (sftp) => sftp.unlink(onServer(posix.normalize(remotePath))));
  } catch (error) {
    throw explain(error, remote, remotePath);
  }
}

/** Makes the folders above a file. @param made Gets those that are made. */
async function makePlace(sftp: Sftp, path: string, made: Set<string>): Promise<void> {
  const there = await sftp.lstat(path);
  if (there !== undefined && kindOf(there) === "folder")
    throw new SftpError(4, "is a folder; name the file within it", path);
  await sftp.makeFolder(posix.dirname(path), (folder) => made.add(folder));
}

async function openDraft(sftp: Sftp, draft: string, sure: number, size: number): Promise<RemoteFile> {
  if (sure > 0) {
    const begun = await openAgain(sftp, draft, sure === size ? "r" : "r+"); // by another session
    if (begun === undefined) throw replaced(draft);
    return begun.file;
  }
  await sftp.unlink(draft);
  return sftp.open(draft, "wx");
}

/** Whom a file is given to, by numbers; what is left out stays as it is. */
type Ids = Readonly<Partial<Record<"uid" | "gid", number>>>;

/** An owner by numbers alone, small enough to be some for certain. */
const NUMERIC = /^(?<uid>\d{1,9})?(?::(?<gid>\d{1,9}))?$/;

/**
 * Gives the folders that were made to the owner, and finds out who that is, as chown(1) there understands it, by a file that
 * nobody else can get at. (The draft itself is given away by its handle: in a folder of somebody else's a path may lead
 * anywhere by the time that chown comes.)
 */
async function giveAway(remote: Remote, { owner, remotePath }: Upload, made: ReadonlySet<string>): Promise<Ids> {
  if (owner === undefined) return {};
  const numeric = numericOwner(owner);
  if (numeric !== undefined && made.size === 0) return numeric; // there is nothing to ask there
  const folders = [...made].map(quote).join(" ");
  const command = `d=$(mktemp -d) || exit
: >"$d/f" && chown -h -- ${quote(owner)} "$d/f" ${folders} && ls -n "$d/f"
e=$?; rm -rf "$d"; exit $e`;
  const { exitCode, stdout, stderr } = await remote.exec({ command, interpreter: ["/bin/sh", "-c"] });
  const [, uid, gid] = /^\S+\s+\d+\s+(\d+)\s+(\d+)\s/.exec(stdout) ?? [];
  if (exitCode !== 0 || uid === undefined || gid === undefined)
    throw new MayflyError("COPY_FAILED", `${remotePath} can't be given to ${owner} on ${remote.name}`, {
      evidence: stderr.trim(),
      remedy: "name a user (and group) that exist there, and log in as root or as that user",
    });
  return idsOf(owner.startsWith(":") ? undefined : uid, owner.includes(":") ? gid : undefined);
}

function numericOwner(owner: string): Ids | undefined {
  const numbers = NUMERIC.exec(owner)?.groups;
  return numbers === undefined ? undefined : idsOf(numbers["uid"], numbers["gid"]);
}

function idsOf(uid: string | undefined, gid: string | undefined): Ids {
  return { ...(uid !== undefined && { uid: Number(uid) }), ...(gid !== undefined && { gid: Number(gid) }) };
}

/** What is known when all bytes have arrived. */
interface Arrived {
  readonly draft: string;
  readonly path: string;
  /** What the draft was when the last byte had come. */
  readonly stats: Stats;
  readonly mode: number;
  readonly owner: Ids;
}

/** Gives the draft owner and mode, and puts it into its place. */
async function finish(remote: Remote, { draft, path, stats, mode, owner }: Arrived): Promise<void> {
  await persist(remote, async (sftp) => {
    const again = await openAgain(sftp, draft, "r");
    if (again === undefined && (await sftp.lstat(path)) !== undefined) return; // a broken link ago
    if (again === undefined) throw replaced(draft);
    const { file } = again;
    const { uid, gid, size, mtime } = again.stats;
    const isOurs = size === stats.size && mtime === stats.mtime && [stats.uid, owner.uid].includes(uid);
    if (!isOurs) throw replaced(draft);
    // The owner first: it takes setuid away. All is done in this order.
    const isGiven = Object.keys(owner).length > 0;
    await Promise.all([...(isGiven ? [file.set({ uid, gid, ...owner })] : []), file.set({ mode }), file.close()]);
    await sftp.replace(draft, path);
  });
}

function damaged(draft: string, { name }: Remote): MayflyError {
  return new MayflyError("COPY_FAILED", `what arrived at ${name} is not what was sent`, {
    evidence: `${draft} has another hash than its source`,
    remedy: "try again; when it stays so, look for a disk that fails there: dmesg",
  });
}

function changed(what: string): MayflyError {
  return new MayflyError("COPY_FAILED", `${what} changed while it was copied`, {
    remedy: "run again once nothing writes to it any more: pulumi up",
  });
}

function explain(error: unknown, { name }: Remote, path: string): unknown {
  if (error instanceof SftpError && error.status === NO_SUCH_FILE)
    return new MayflyError("NOT_FOUND", `there is no file ${path} on ${name}`, {
      evidence: error.message,
      cause: error,
      remedy: "check the path; what a command makes there, the copy has to depend on: { dependsOn: [command] }",
    });
  return explainFiles(error, `copying ${path} (${name}) failed`);
}
