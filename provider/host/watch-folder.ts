import { watch } from "node:fs";

/**
 * Hears of changes in a folder, by the name of what has changed; `null` where that is not known, or the folder is gone.
 *
 * @returns Stops it; `undefined` where the user's watches are used up (inotify(7)): then look now and then instead.
 */
export function watchFolder(folder: string, onChange: (name: string | null) => void): (() => void) | undefined {
  try {
    const watcher = watch(folder, (_, name) => onChange(name));
    watcher.on("error", () => onChange(null));
    return () => watcher.close();
  } catch (error) {
    if (!["ENOSPC", "EMFILE"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    return undefined;
  }
}
