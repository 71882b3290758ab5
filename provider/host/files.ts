import { randomBytes } from "node:crypto";
import {
  chmodSync,
  closeSync,
  constants,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { chmod, mkdir, open, readdir, readFile, rename, rm, stat, type FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";
import { run } from "./run";

/** Writes a file so that readers see the old text or the new, never a part, also after a power cut: the new one then. */
export async function writeFileAtomic(path: string, text: string | Uint8Array, mode = 0o600): Promise<void> {
  await replaceFile(path, text, mode);
  await syncFolder(dirname(path));
}

/** The same, but for a power cut, after which it may be the old one. Takes half the time. */
export async function replaceFile(path: string, text: string | Uint8Array, mode = 0o600): Promise<void> {
  const draft = draftOf(path);
  try {
    const file = await open(draft, "wx", mode);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

/** The same as {@link replaceFile}, for a process that has no time to wait, not for the disk either: see there. */
export function replaceFileSync(path: string, text: string, mode = 0o600): void {
  const draft = draftOf(path);
  try {
    const file = openSync(draft, "wx", mode);
    try {
      writeFileSync(file, text);
    } finally {
      closeSync(file);
    }
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
}

function draftOf(path: string): string {
  return `${path}.${randomBytes(4).toString("hex")}.tmp`;
}

/** Removes a text that nobody will put into a file's place any more: a draft of that age, in milliseconds. */
export async function removeOldDraft(path: string, age: number): Promise<void> {
  if (!path.endsWith(".tmp")) return;
  const seen = await stat(path).catch(() => undefined); // just renamed
  if (seen !== undefined && Date.now() - seen.mtimeMs > age) await rm(path, { force: true });
}

/** Whether a path is that of a text that was to become this file: its writer works on it, or was killed. */
export function isDraftOf(path: string, draft: string): boolean {
  return draft.startsWith(`${path}.`) && draft.endsWith(".tmp");
}

/** Brings a file, or a folder with all that is in it, to the disk. */
export async function syncTree(path: string): Promise<void> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    if ((await file.stat()).isDirectory())
      for (const entry of await readdir(path, { withFileTypes: true }))
        if (entry.isFile() || entry.isDirectory()) await syncTree(join(path, entry.name));
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Brings the names in a folder to the disk. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/**
 * Makes a folder and those above it, where missing. With a mode, all that are made have that, whatever the umask. Not by
 * `recursive` of Node's own: below /proc, where a mkdir in a folder that is there says ENOENT, that never comes to an end.
 */
export async function makeFolders(path: string, mode?: number): Promise<void> {
  if (await isFolder(path)) return;
  const above = dirname(path);
  if (above !== path) await makeFolders(above, mode);
  try {
    await mkdir(path);
    if (mode !== undefined) await chmod(path, mode);
  } catch (error) {
    if (!(await isFolder(path))) throw error; // else somebody else was quicker
  }
}

/** The same for a process that does not wait. */
export function makeFoldersSync(path: string, mode: number): void {
  if (isFolderSync(path)) return;
  const above = dirname(path);
  if (above !== path) makeFoldersSync(above, mode);
  try {
    mkdirSync(path, { mode });
    chmodSync(path, mode);
  } catch (error) {
    if (!isFolderSync(path)) throw error; // else somebody else was quicker
  }
}

/** Lets others do with a folder or file of ours what its mode is to let them, where it was made under a stricter umask. */
export function openUpSync(path: string, mode: number): void {
  const seen = statSync(path);
  const isLacking = (seen.mode & mode) !== mode;
  if (isLacking && seen.uid === process.geteuid?.()) chmodSync(path, (seen.mode & 0o7777) | mode);
}

function isFolderSync(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true;
}

/** Reads a file; `undefined` when there is none. */
export async function readFileIfExists(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Writes a file of the kind that {@link openUntrusted} opens anew from its start, in its place. */
export async function rewriteUntrusted(path: string, content: Buffer): Promise<void> {
  const file = await openUntrusted(path, constants.O_WRONLY);
  try {
    await file.writeFile(content);
  } finally {
    await file.close();
  }
}

/** Copies a file without its holes to a new one; at no cost where the filesystem can share blocks. Throws where there is one. */
export async function copySparse(from: string | FileHandle, to: string, signal: AbortSignal): Promise<void> {
  const target = await open(to, "wx", 0o600); // not by cp, which writes through a link that is there
  try {
    const source = typeof from === "string" ? from : pathOf(from);
    await run("cp", ["--sparse=always", "--reflink=auto", source, pathOf(target)], { signal });
  } finally {
    await target.close();
  }
}

/** By which other programs of this user open the very file that we have open. */
function pathOf({ fd }: FileHandle): string {
  return `/proc/${String(process.pid)}/fd/${String(fd)}`;
}

/**
 * Opens a file in a folder that a machine's container may write to. A qemu that its guest has taken over could have put
 * something else in its place: a link to a file of the host's, or a pipe.
 *
 * @param flags As of open(2), `O_RDONLY` or `O_WRONLY`.
 * @throws An error where it is no regular file.
 */
export async function openUntrusted(path: string, flags: number): Promise<FileHandle> {
  const file = await open(path, flags | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw new Error(`${path} is no regular file: the machine's container has replaced it`);
}
