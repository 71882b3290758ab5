import { lstatSync } from "node:fs";
import { readdir, readlink, stat } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Ignore } from "ignore";
import { MayflyError } from "../errors";
import { quote } from "../host/shell";
import { isSparse } from "./holes";
import { onServer, persist, type Remote } from "./remote";
import { GUEST_HELPER } from "./remote-hash";
import { kindOf, type Sftp } from "./sftp";
import { NO_SUCH_FILE, PERMISSION_DENIED, SftpError } from "./sftp-error";
import { Sorter } from "./sync-sorter";

/** One thing in a folder that is synced. */
export interface Entry {
  readonly kind: "file" | "folder" | "link";
  /** Permission bits; 0 for links, which have none. */
  readonly mode: number;
  /** Bytes; 0 for all but files. */
  readonly size: number;
  /** Seconds since 1970; 0 for all but files. */
  readonly modified: number;
  /** Where a link points. */
  readonly target?: string | undefined;
  /** Of a file of this host: what it is to the kernel, whatever its size and its time of change say. */
  readonly inode?: Inode | undefined;
  /** Whether a file of this host has holes. */
  readonly isSparse?: boolean | undefined;
}

/** A file as the kernel has it. Whoever changes what is in it changes this too, and nobody can set it back. */
export interface Inode {
  /** Its device and number. */
  readonly id: string;
  /** When it was changed last in any way, in nanoseconds since 1970. */
  readonly changed: bigint;
}

/** What is in a folder, by path within it. Nothing that is excluded, no devices, pipes and sockets. */
export interface Tree {
  readonly entries: ReadonlyMap<string, Entry>;
  /** Folders that hold something excluded, or something that nobody may look at: they are never removed. */
  readonly guarded: ReadonlySet<string>;
  /** Whether there is such a folder at all. */
  readonly isThere: boolean;
  /** Whether there is rsync beside it; only looked for on servers. */
  readonly hasRsync: boolean;
}

/** Says which paths are left out. */
export type Exclude = (path: string, isFolder: boolean) => boolean;

/**
 * What a folder is to a sync. Of a source all has to be read. At the target a folder that can't be read stays as it is, and
 * what went away while we looked is gone.
 */
export type Role = "source" | "target";

const PERMISSIONS = 0o7777;
const NONE: Tree = { entries: new Map(), guarded: new Set(), isThere: false, hasRsync: false };
const LIST_BYTES = 1_073_741_824; // of names; some five million files

/**
 * Reads patterns as in a `.gitignore` file.
 *
 * @param patterns Each a line of such a file.
 */
export async function excluding(patterns: readonly string[]): Promise<Exclude> {
  if (patterns.length === 0) return () => false;
  const { default: ignore } = await import("ignore");
  const rules: Ignore = ignore({ ignorecase: false }).add([...patterns]);
  return (path, isFolder) => rules.ignores(isFolder ? `${path}/` : path);
}

/** A look takes 10 µs, and four times that by a promise of its own; so many of them hold up nobody. */
const LOOKS_AT_A_TIME = 500;

/** What is in a folder of this host; nothing where there is none. */
export async function localTree(folder: string, exclude: Exclude, role: Role = "source"): Promise<Tree> {
  const sorter = new Sorter(exclude, role);
  if (!(await isThere(folder))) return NONE;
  const left = [""];
  for (let above = left.pop(); above !== undefined; above = left.pop()) {
    for (const [index, name] of (await namesIn(folder, above, role, sorter)).entries()) {
      if (index % LOOKS_AT_A_TIME === LOOKS_AT_A_TIME - 1) await nextTurn();
      const path = pathIn(above, name);
      if (!sorter.isNamed(path)) continue; // there is no such path for lstat
      const stats = look(join(folder, path));
      const kind = kindOf(stats);
      if (!sorter.wants(path, kind)) continue;
      sorter.add(path, entryOf(stats, kind === "link" ? await readlink(join(folder, path)) : undefined));
      if (kind === "folder") left.push(path);
    }
  }
  return sorter.tree(false);
}

function pathIn(folder: string, name: string): string {
  return folder === "" ? name : `${folder}/${name}`;
}

async function namesIn(folder: string, path: string, role: Role, sorter: Sorter): Promise<readonly string[]> {
  return readdir(join(folder, path)).catch((error: unknown) => {
    if (!isToBeLeft(path, role, error)) throw error;
    sorter.leave(path);
    return [];
  });
}

/** Whether a folder that can't be read is none of a sync's business; the root always is. */
function isToBeLeft(path: string, role: Role, error: unknown): boolean {
  return path !== "" && role === "target" && (error as NodeJS.ErrnoException).code === "EACCES";
}

async function isThere(folder: string): Promise<boolean> {
  try {
    await stat(folder);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

/** What is in a folder of a server; nothing where there is none. By our helper there, or GNU's find(1), else by SFTP. */
export async function remoteTree(remote: Remote, path: string, exclude: Exclude, role: Role): Promise<Tree> {
  const folder = onServer(path);
  const found = await byCommand(remote, folder, exclude, role);
  return found ?? persist(remote, (sftp) => bySftp(sftp, folder, exclude, role));
}

/** `1 file`, `2 files`. */
export function count(number: number, what: string): string {
  return `${String(number)} ${what}${number === 1 ? "" : "s"}`;
}

/** Bytes as people write them. */
export function size(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const step = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return `${step === 0 ? String(bytes) : (bytes / 1_000 ** step).toFixed(1)} ${units[step] ?? ""}`;
}

const SECOND_NS = 1_000_000_000n;

/** What is seen of a file, as SFTP tells it: `mtime` is in whole seconds since 1970. */
type Seen = Readonly<Record<"mode" | "size" | "mtime", number>> & Pick<Entry, "inode" | "isSparse">;

/** Looks at something on this host; a link is a link. Not by `mtimeMs`: a float of it may be the next second's. */
function look(path: string): Seen {
  const { mode, size, mtimeNs, dev, ino, ctimeNs, blocks } = lstatSync(path, { bigint: true });
  const seconds = mtimeNs / SECOND_NS - (mtimeNs % SECOND_NS < 0n ? 1n : 0n);
  const inode = { id: `${String(dev)}:${String(ino)}`, changed: ctimeNs };
  const holes = isSparse({ size: Number(size), blocks: Number(blocks) });
  return { mode: Number(mode), size: Number(size), mtime: Number(seconds), inode, isSparse: holes };
}

function entryOf(stats: Seen, target?: string): Entry {
  const kind = kindOf(stats) as Entry["kind"];
  const { mtime: modified } = stats;
  if (kind === "link") return { kind, mode: 0, size: 0, modified: 0, target };
  if (kind === "folder") return { kind, mode: stats.mode & PERMISSIONS, size: 0, modified: 0 };
  const { inode, isSparse: holes } = stats;
  return { kind, mode: stats.mode & PERMISSIONS, size: stats.size, modified, inode, isSparse: holes };
}

const UNSEEN = "u"; // no letter of find's; our helper's too
const KINDS: Readonly<Record<string, Entry["kind"]>> = { f: "file", d: "folder", l: "link", [UNSEEN]: "folder" };
const FIELDS = 6;
const NO_FOLDER = 66;
/** Of find, and of our helper: they have come to their end, though not everywhere. */
const IN_PART = [1, 4];
/** Folders that find does not look into: it may not, or the kernel makes up what is in them. */
const NOT_TO_SEE = String.raw`-type d \( ! -readable -o ! -executable -o -fstype proc -o -fstype sysfs \)`;

/**
 * One command lists everything. `undefined` where that does not work: another find, no shell. In a guest of ours that is our
 * helper (provider/guest/helper/list.h), which costs an emulated CPU less than half of what find does; that of an older guest does
 * not know how, and ends with 1.
 */
async function byCommand(remote: Remote, folder: string, exclude: Exclude, role: Role): Promise<Tree | undefined> {
  // Before the point of %T@ are whole seconds, also before 1970. %Ts would do, but makes a calendar's date of each time
  // first: with ten thousand files that takes half a second under emulation.
  const format = (type: string) => [type, "%m", "%s", "%T@", "%P", "%l"].map((field) => `${field}\\0`).join("");
  const command = [
    `cd -- ${quote(folder)} 2>/dev/null || exit ${String(NO_FOLDER)}`,
    `command -v rsync >/dev/null 2>&1 && printf 'yes\\0' || printf 'no\\0'`,
    `if [ -x ${GUEST_HELPER} ]; then ${GUEST_HELPER} list; code=$?; [ $code = 1 ] || exit $code; fi`,
    `exec find . -mindepth 1 ${NOT_TO_SEE} -printf '${format(UNSEEN)}' -prune -o -printf '${format("%y")}'`,
  ].join("\n");
  const result = await remote.exec({ command, maxOutputBytes: LIST_BYTES }).catch((error: unknown) => {
    if (error instanceof MayflyError && error.code === "CONNECT_FAILED") return undefined;
    throw error;
  });
  if (result === undefined) return undefined;
  if (result.exitCode === NO_FOLDER) return NONE_WITH_RSYNC_UNKNOWN;
  const [hasRsync, ...fields] = result.stdout.split("\0");
  // What it could not look at has gone meanwhile, as far as that shows. One that does not know our words prints nothing.
  const isInPart = IN_PART.includes(result.exitCode ?? 0) && role === "target" && fields.length > FIELDS;
  if (result.exitCode !== 0 && !isInPart) return undefined;
  const sorter = new Sorter(exclude, role);
  sortListed(fields, sorter);
  return sorter.tree(hasRsync === "yes");
}

/** Sorts what was printed. */
function sortListed(fields: readonly string[], sorter: Sorter): void {
  const pruned = new Set<string>();
  for (let at = 0; at + FIELDS <= fields.length; at += FIELDS) {
    const { path, kind, entry } = readFields(fields.slice(at, at + FIELDS));
    const above = path.slice(0, Math.max(0, path.lastIndexOf("/")));
    const isWanted = !pruned.has(above) && sorter.wants(path, kind);
    if (isWanted) sorter.add(path, entry);
    else if (kind === "folder") pruned.add(path); // it is listed before what is in it
    if (isWanted && fields[at] === UNSEEN) sorter.leave(path);
  }
}

function readFields([type = "", mode = "", bytes = "", modified = "", path = "", target = ""]: readonly string[]): {
  path: string;
  kind: Entry["kind"] | "other";
  entry: Entry;
} {
  const kind = KINDS[type] ?? "other";
  const plain = { kind: "folder", mode: Number.parseInt(mode, 8), size: 0, modified: 0 } as const;
  if (kind === "link") return { path, kind, entry: { ...plain, kind, mode: 0, target } };
  if (kind !== "file") return { path, kind, entry: plain };
  return { path, kind, entry: { ...plain, kind, size: Number(bytes), modified: Number(modified.split(".", 1)[0]) } };
}

/** A folder that is yet to be made says nothing of the programs beside it; the transfer finds out. */
const NONE_WITH_RSYNC_UNKNOWN: Tree = { ...NONE, hasRsync: true };

const LISTINGS = 16; // at a time

async function bySftp(sftp: Sftp, folder: string, exclude: Exclude, role: Role): Promise<Tree> {
  const sorter = new Sorter(exclude, role);
  if ((await sftp.stat(folder)) === undefined) return NONE;
  const listing = async (above: string) =>
    sftp.list(`${folder}/${above}`).catch((error: unknown) => {
      if (above === "" || !(error instanceof SftpError)) throw error;
      if (error.status === PERMISSION_DENIED && role === "target") sorter.leave(above);
      else if (error.status !== NO_SUCH_FILE) throw error; // else it has gone meanwhile
      return [];
    });
  let level = [""];
  while (level.length > 0) {
    const next: string[] = [];
    for (let at = 0; at < level.length; at += LISTINGS)
      await Promise.all(
        level.slice(at, at + LISTINGS).map(async (above) => {
          for (const { name, stats } of await listing(above)) {
            const path = pathIn(above, name);
            const kind = kindOf(stats);
            if (!sorter.wants(path, kind)) continue;
            const target = kind === "link" ? await linkIn(sftp, `${folder}/${path}`) : undefined;
            if (kind === "link" && target === undefined) continue;
            sorter.add(path, entryOf(stats, target));
            if (kind === "folder") next.push(path);
          }
        }),
      );
    level = next;
  }
  return sorter.tree(false);
}

/** Where a link points; `undefined` for one that has gone meanwhile. */
async function linkIn(sftp: Sftp, path: string): Promise<string | undefined> {
  return sftp.readLink(path).catch((error: unknown) => {
    if (error instanceof SftpError && error.status === NO_SUCH_FILE) return undefined;
    throw error;
  });
}
