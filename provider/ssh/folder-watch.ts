import { watch, type FSWatcher } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { MayflyError } from "../errors";
import type { Exclude } from "./sync-tree";

/**
 * Hears of every change in a folder and in the folders below it. One watch a folder, and none in what is excluded:
 * Node's own recursive watch and chokidar take one a file, `node_modules` too, and stay deaf to a folder that was removed
 * and made again (measured: Node 22.23, chokidar 4.0).
 */
export class FolderWatch implements Disposable {
  readonly #watchers = new Map<string, FSWatcher>();

  /** @param onChange Called at each event; several may stand for one change. */
  constructor(
    private readonly root: string,
    private readonly exclude: Exclude,
    private readonly onChange: () => void,
  ) {}

  /**
   * Watches all folders there are now; to be called again after a change. What was made in a new folder before it is
   * watched has no event of its own: who wants to see everything looks after this.
   *
   * @throws {MayflyError} `NOT_FOUND` when there is no such folder; `COPY_FAILED` when one can't be watched.
   */
  async follow(): Promise<void> {
    const seen = new Set<string>();
    await this.#visit("", seen);
    for (const path of this.#watchers.keys()) if (!seen.has(path)) this.#drop(path);
  }

  [Symbol.dispose](): void {
    for (const path of this.#watchers.keys()) this.#drop(path);
  }

  async #visit(path: string, seen: Set<string>): Promise<void> {
    const folder = join(this.root, path);
    try {
      this.#watch(path, folder); // first: what comes after this look has an event
      const entries = await readdir(folder, { withFileTypes: true });
      seen.add(path);
      for (const entry of entries.filter((one) => one.isDirectory())) {
        const below = path === "" ? entry.name : `${path}/${entry.name}`;
        if (!this.exclude(below, true)) await this.#visit(below, seen);
      }
    } catch (error) {
      if (error instanceof MayflyError) throw error;
      const { code = "" } = error as NodeJS.ErrnoException;
      const isGone = code === "ENOENT" || code === "ENOTDIR";
      if (!isGone || path === "") throw explain(error as Error, folder, isGone);
      this.#drop(path); // gone again; the folder above has said so
    }
  }

  #watch(path: string, folder: string): void {
    if (this.#watchers.has(path)) return;
    const self = basename(folder);
    const watcher = watch(folder, (event, name) => {
      // The folder itself went or was moved, or something in it has its name: then it is watched anew.
      if (event === "rename" && (name === null || name === self)) this.#drop(path);
      else if (name !== null && this.exclude(path === "" ? name : `${path}/${name}`, false)) return;
      this.onChange();
    });
    watcher.on("error", () => {
      this.#drop(path);
      this.onChange();
    });
    this.#watchers.set(path, watcher);
  }

  #drop(path: string): void {
    this.#watchers.get(path)?.close();
    this.#watchers.delete(path);
  }
}

function explain(cause: Error, folder: string, isGone: boolean): MayflyError {
  if (isGone)
    return new MayflyError("NOT_FOUND", `there is no folder ${folder} on this host`, {
      cause,
      remedy: `make it: mkdir -p '${folder}'`,
    });
  return new MayflyError("COPY_FAILED", `${folder} can't be watched`, {
    evidence: cause.message,
    cause,
    remedy: remedyFor((cause as NodeJS.ErrnoException).code),
  });
}

/** By what inotify(7) says: no more watches, no more programs that watch. */
function remedyFor(code: string | undefined): string {
  if (code === "ENOSPC")
    return "exclude folders that need not be synced, or allow more watches: sysctl fs.inotify.max_user_watches=524288";
  if (code === "EMFILE") return "allow more programs to watch: sysctl fs.inotify.max_user_instances=1024";
  return "look at its rights (ls -ld), or exclude it";
}
