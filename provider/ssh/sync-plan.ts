import type { Entry, Inode, Tree } from "./sync-tree";
import { count, size } from "./sync-tree";

const SECOND_NS = 1_000_000_000n;

/** What makes one folder like another one. */
export interface Plan {
  /** What is in the way: of another kind than what is to be there. The deepest first. */
  readonly inTheWay: readonly string[];
  /** Folders to make, the topmost first. */
  readonly folders: readonly string[];
  /** Files to send. */
  readonly files: readonly string[];
  /** Links to make. */
  readonly links: readonly string[];
  /** Files and folders that only differ in their mode. */
  readonly modes: readonly string[];
  /** Files that differ in their time of change, but not in their content. */
  readonly times: readonly string[];
  /** What is there and not here, the deepest first; empty where nothing is to be removed. */
  readonly extra: readonly string[];
  /** Bytes of the files to send. */
  readonly bytes: number;
}

/** What is known of files by their content. */
export interface Contents {
  /** Files whose size and time of change say too little. */
  readonly doubtful: ReadonlySet<string>;
  /** Those of them that are the same on both sides. */
  readonly same: ReadonlySet<string>;
}

/** What the files of a source were when they were synced, by path; see {@link settledFiles}. */
export type Settled = ReadonlyMap<string, string>;

/**
 * Files of the same size on both sides that only a look at their content can tell apart: those with another time of
 * change (a fresh clone of a repository has one for each file), those with the same one that were changed so lately that
 * they may have been changed again within that second, and those that are not the ones that were synced: many tools set
 * all times to the same one (`SOURCE_DATE_EPOCH`, npm's archives, `touch -r`).
 *
 * @param since Seconds since 1970 from which on a file's time of change says too little.
 * @param settled What was synced last. `undefined`: times of change are believed, as rsync does.
 */
export function doubtfulFiles(from: Tree, to: Tree, since: number, settled: Settled | undefined): string[] {
  const isAsSynced = (path: string, { inode }: Entry) =>
    settled === undefined || (inode !== undefined && settled.get(path) === spell(inode));
  return [...from.entries].flatMap(([path, here]) => {
    const there = to.entries.get(path);
    if (here.kind !== "file" || there?.kind !== "file" || there.size !== here.size) return [];
    return there.modified !== here.modified || here.modified >= since || !isAsSynced(path, here) ? [path] : [];
  });
}

/**
 * What the files of this host are that a sync sends, for a later sync to know them by. Without those that were changed so
 * lately that they may have been changed again without another time.
 *
 * @param begun When the sync began, in seconds since 1970.
 */
export function settledFiles({ entries }: Tree, begun: number): Settled {
  const until = BigInt(Math.floor(begun)) * SECOND_NS;
  const settled = new Map<string, string>();
  for (const [path, { inode }] of entries)
    if (inode !== undefined && inode.changed < until) settled.set(path, spell(inode));
  return settled;
}

function spell({ id, changed }: Inode): string {
  return `${id}:${String(changed)}`;
}

/**
 * Compares two folders. Files are alike when size and time of change agree, as rsync has it, but for those whose
 * content was looked at.
 *
 * @param removes Whether what is only there is to go.
 */
export function planSync(from: Tree, to: Tree, removes: boolean, contents: Contents): Plan {
  const paths = sortByDepth([...from.entries.keys()]);
  const isDifferent = (path: string) => isOther(entry(from, path), to.entries.get(path), contents, path);
  const differing = paths.filter(isDifferent);
  const others = new Set(differing);
  const alike = paths.filter((path) => !others.has(path));
  const ofKind = (kind: Entry["kind"]) => differing.filter((path) => entry(from, path).kind === kind);
  const files = ofKind("file");
  const isInTheWay = (path: string) => {
    const there = to.entries.get(path);
    return there !== undefined && there.kind !== from.entries.get(path)?.kind;
  };
  const blocked = differing.filter(isInTheWay);
  const isBelow = (path: string) => blocked.some((top) => path === top || path.startsWith(`${top}/`));
  const below = blocked.length === 0 ? [] : [...to.entries.keys()].filter(isBelow);
  const gone = new Set(below);
  const extra = [...to.entries.keys()].filter(
    (path) => !from.entries.has(path) && !gone.has(path) && !to.guarded.has(path),
  );
  return {
    inTheWay: sortByDepth(below).reverse(),
    folders: ofKind("folder").filter((path) => to.entries.get(path)?.kind !== "folder"),
    files,
    links: ofKind("link"),
    modes: alike.filter((path) => entry(from, path).mode !== to.entries.get(path)?.mode),
    times: alike.filter((path) => entry(from, path).modified !== to.entries.get(path)?.modified),
    extra: removes ? sortByDepth(extra).reverse() : [],
    bytes: files.reduce((sum, path) => sum + entry(from, path).size, 0),
  };
}

/**
 * What a sync has brought to a folder, the deepest first: what the source has too, or all of it. A folder only where
 * nothing in it stays.
 *
 * @param removes Whether the sync removes what the source has not, so that all there is its own.
 */
export function planRemoval(from: Tree, to: Tree, removes: boolean): string[] {
  const paths = [...to.entries.keys()];
  const kept = paths.filter((path) => !removes && from.entries.get(path)?.kind !== entry(to, path).kind);
  const holding = new Set([...kept, ...to.guarded, ...kept.flatMap(foldersAbove)]);
  return sortByDepth(paths.filter((path) => !holding.has(path))).reverse();
}

/** Whether nothing is to be done, but for times of change. */
export function isEmpty({ inTheWay, folders, files, links, modes, extra }: Plan): boolean {
  return [inTheWay, folders, files, links, modes, extra].every((part) => part.length === 0);
}

/** A plan in words. */
export function describe(plan: Plan): string {
  const { folders, files, links, modes, times, inTheWay, extra } = plan;
  const removed = inTheWay.length + extra.length;
  const parts = [
    files.length > 0 && `${count(files.length, "file")} to copy (${size(plan.bytes)})`,
    links.length > 0 && `${count(links.length, "link")} to make`,
    folders.length > 0 && `${count(folders.length, "folder")} to make`,
    modes.length > 0 && `${count(modes.length, "mode")} to change`,
    times.length > 0 && `${count(times.length, "time")} to set`,
    removed > 0 && `${String(removed)} to remove`,
  ].filter((part) => part !== false);
  return parts.length === 0 ? "nothing to do" : parts.join(", ");
}

function entry({ entries }: Tree, path: string): Entry {
  const found = entries.get(path);
  if (found === undefined) throw new Error(`no entry for ${path}`);
  return found;
}

/** By content; a mode alone makes no other. */
function isOther(here: Entry, there: Entry | undefined, { doubtful, same }: Contents, path: string): boolean {
  if (there?.kind !== here.kind || there.target !== here.target || there.size !== here.size) return true;
  return doubtful.has(path) && !same.has(path);
}

function foldersAbove(path: string): string[] {
  const steps = path.split("/");
  return steps.slice(1).map((_, index) => steps.slice(0, index + 1).join("/"));
}

/** The topmost first, and by name where they are as deep. */
function sortByDepth(paths: readonly string[]): string[] {
  const levels: string[][] = [];
  for (const path of paths) (levels[path.split("/").length] ??= []).push(path);
  return levels.flatMap((level) => level.sort());
}
