import { readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { consoleText } from "./console";

/** How many are kept of machines that did not come up, and how long: in milliseconds. */
const MOST = 10;
const LONGEST_MS = 7 * 24 * 3_600_000;

/**
 * Keeps the whole console of a machine that did not come up and is about to be removed: an error shows its last lines only.
 *
 * @param folder Where such consoles are.
 * @param log The machine's own.
 * @returns The path; `undefined` for an empty console, and where it can't be kept, which must not hide what went wrong.
 */
export async function keepConsole(folder: string, id: string, log: string): Promise<string | undefined> {
  try {
    const text = consoleText(await readFile(log, "utf8"));
    if (text.trim() === "") return undefined;
    const path = join(folder, `${id}.txt`);
    await writeFile(path, text, { mode: 0o600 });
    return path;
  } catch {
    return undefined;
  }
}

/** Removes those that are old, and all but the newest ones. */
export async function forgetConsoles(folder: string, now = Date.now()): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  const files = await Promise.all(
    names.map(async (name) => {
      const path = join(folder, name);
      const seen = await stat(path).catch(() => undefined); // another process may just have removed it
      return { path, age: now - (seen?.mtimeMs ?? 0) };
    }),
  );
  const old = files.sort((a, b) => a.age - b.age).filter(({ age }, index) => index >= MOST || age > LONGEST_MS);
  for (const { path } of old) await rm(path, { force: true }).catch(() => undefined); // the next one tries again
}
