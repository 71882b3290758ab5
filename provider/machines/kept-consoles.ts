import { readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { MayflyError } from "../errors";
import { consoleText } from "./console";

/** How many are kept of machines that did not come up, and how long: in milliseconds. */
const MOST = 10;
const LONGEST_MS = 7 * 24 * 3_600_000;

/**
 * Runs work on a machine that is being made and is removed when that fails: an error of ours then names the file in which
 * its whole console stays, of which it shows the last lines only.
 *
 * @param where Where such consoles are, the machine's id, and its own log.
 */
export async function orKeepConsole<T>(
  { folder, id, log }: { readonly folder: string; readonly id: string; readonly log: string },
  work: () => Promise<T>,
): Promise<T> {
  await forgetConsoles(folder);
  try {
    return await work();
  } catch (error) {
    // A guest that is unfit to be a template has come up, and the error says what of it is unfit.
    if (!(error instanceof MayflyError) || error.code === "NO_TEMPLATE") throw error;
    const kept = await keepConsole(folder, id, log);
    if (kept === undefined) throw error;
    throw error.retold({ evidence: [error.evidence, `the whole console: ${kept}`].filter(Boolean).join("\n") });
  }
}

/**
 * Keeps the whole console of a machine that did not come up.
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
