import type { Entry, Tree } from "./sync-tree";
import { count, size } from "./sync-tree";

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
  /** What is there and not here, the deepest first; empty where nothing is to be removed. */
  readonly extra: readonly string[];
  /** Bytes of the files to send. */
  readonly bytes: number;
}

/**
 * Compares two folders. Files are alike when size and time of change agree, as rsync has it.
 *
 * @param removes Whether what is only there is to go.
 */
export function planSync(from: Tree, to: Tree, removes: boolean): Plan {
  const paths = [...from.entries.keys()].sort(byDepth);
  const differing = paths.filter((path) => isOther(entry(from, path), to.entries.get(path)));
  const ofKind = (kind: Entry["kind"]) => differing.filter((path) => entry(from, path).kind === kind);
  const files = ofKind("file");
  const isInTheWay = (path: string) => {
    const there = to.entries.get(path);
    return there !== undefined && there.kind !== from.entries.get(path)?.kind;
  };
  const blocked = differing.filter(isInTheWay);
  const below = [...to.entries.keys()].filter((path) =>
    blocked.some((top) => path === top || path.startsWith(`${top}/`)),
  );
  const gone = new Set(below);
  const extra = [...to.entries.keys()].filter(
    (path) => !from.entries.has(path) && !gone.has(path) && !to.guarded.has(path),
  );
  return {
    inTheWay: below.sort(byDepth).reverse(),
    folders: ofKind("folder").filter((path) => to.entries.get(path)?.kind !== "folder"),
    files,
    links: ofKind("link"),
    modes: paths.filter((path) => hasOtherMode(entry(from, path), to.entries.get(path))),
    extra: removes ? extra.sort(byDepth).reverse() : [],
    bytes: files.reduce((sum, path) => sum + entry(from, path).size, 0),
  };
}

/** Whether there is nothing to do. */
export function isEmpty({ inTheWay, folders, files, links, modes, extra }: Plan): boolean {
  return [inTheWay, folders, files, links, modes, extra].every((part) => part.length === 0);
}

/** A plan in words. */
export function describe(plan: Plan): string {
  const { folders, files, links, modes, inTheWay, extra } = plan;
  const removed = inTheWay.length + extra.length;
  const parts = [
    files.length > 0 && `${count(files.length, "file")} to copy (${size(plan.bytes)})`,
    links.length > 0 && `${count(links.length, "link")} to make`,
    folders.length > 0 && `${count(folders.length, "folder")} to make`,
    modes.length > 0 && `${count(modes.length, "mode")} to change`,
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
function isOther(here: Entry, there: Entry | undefined): boolean {
  if (there?.kind !== here.kind || there.target !== here.target) return true;
  return here.kind === "file" && (there.size !== here.size || there.modified !== here.modified);
}

function hasOtherMode(here: Entry, there: Entry | undefined): boolean {
  return !(there === undefined || isOther(here, there)) && here.mode !== there.mode;
}

function byDepth(one: string, other: string): number {
  return one.split("/").length - other.split("/").length || (one < other ? -1 : 1);
}
