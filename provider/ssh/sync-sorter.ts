import { MayflyError } from "../errors";
import type { Entry, Exclude, Role, Tree } from "./sync-tree";

/**
 * Collects the entries of one folder, and leaves out what is excluded. What a guest says of its folders is not believed: a
 * path that led out of the folder, or through a link, would be written on this host wherever the guest likes.
 */
export class Sorter {
  readonly #entries = new Map<string, Entry>();
  readonly #guarded = new Set<string>();

  constructor(
    private readonly exclude: Exclude,
    private readonly role: Role,
  ) {}

  /** Whether a path belongs; a folder that does not is not to be looked into. */
  wants(path: string, kind: Entry["kind"] | "other"): boolean {
    if (!this.isNamed(path)) return false;
    if (kind !== "other" && !this.exclude(path, kind === "folder")) return true;
    this.#guard(path);
    return false;
  }

  /**
   * Whether a path can be told apart from others.
   *
   * @throws {MayflyError} `COPY_FAILED` for one that can't be, and is not excluded, and for one that is no path in a folder.
   */
  isNamed(path: string): boolean {
    if (!isInside(path)) throw noListing(path);
    if (!path.includes("\uFFFD")) return true;
    if (this.exclude(path, false) || this.exclude(path, true)) {
      this.#guard(path);
      return false;
    }
    throw new MayflyError("COPY_FAILED", `the name ${JSON.stringify(path)} is no UTF-8`, {
      remedy: "give it another name, or exclude it",
    });
  }

  /**
   * Takes an entry, after the folder that it is in.
   *
   * @throws {MayflyError} `COPY_FAILED` for one that is in no folder, or was there already as something else.
   */
  add(path: string, entry: Entry): void {
    const above = path.slice(0, Math.max(0, path.lastIndexOf("/")));
    const isInFolder = above === "" || this.#entries.get(above)?.kind === "folder";
    if (!isInFolder || (this.#entries.get(path)?.kind ?? entry.kind) !== entry.kind) throw noListing(path);
    this.#entries.set(path, entry);
  }

  /**
   * Leaves a folder as it is: nobody may look into it, or it holds no files (`/proc`).
   *
   * @throws {MayflyError} `COPY_FAILED` for a folder of the source: nothing would tell what was not copied.
   */
  leave(path: string): void {
    if (this.role === "source")
      throw new MayflyError("COPY_FAILED", `the folder ${path} of the source can't be read`, {
        remedy: "log in as a user who may read it, or exclude it",
      });
    this.#guard(`${path}/`);
  }

  /** Folders above what is left out stay. */
  #guard(path: string): void {
    for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1))
      this.#guarded.add(path.slice(0, at));
  }

  /** What was collected. */
  tree(hasRsync: boolean): Tree {
    return { entries: this.#entries, guarded: this.#guarded, isThere: true, hasRsync };
  }
}

/** Whether a path leads to something below its folder, whatever is in that; an absolute one begins with an empty step. */
function isInside(path: string): boolean {
  return !path.includes("\0") && path.split("/").every((step) => step !== "" && step !== "." && step !== "..");
}

function noListing(path: string): MayflyError {
  return new MayflyError("COPY_FAILED", `the listing of a folder names ${JSON.stringify(path)}, which can't be in it`, {
    remedy:
      "when something writes there, run again; else do not trust that server: its find(1) or SFTP is not what it should be",
  });
}
