import { readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { LogDir } from "../args/log-dir";
import { colouredNote, note } from "../output";
import type { Session } from "../rooms";
import { CommandError } from "../trouble";

/** In a machine's folder: where its logs are to go. */
const FILE = "log-dir.json";

/** The compiled command. */
const MAIN = join(__dirname, "..", "main.js");

/** What each stream is followed by, and the file that it goes to; names as bcvk has them. */
const STREAMS = {
  console: { name: "console.txt", options: ["--console"] },
  journal: { name: "journal.json", options: ["--journal", "--json"] },
} as const;

/**
 * Makes the folder and the empty files of a machine's logs, before there is a machine.
 *
 * @throws {CommandError} Where they can't be made.
 */
export async function makeLogFiles({ streams, folder }: LogDir): Promise<void> {
  const { makeFolders } = await import("../../provider/host/files.js");
  try {
    await makeFolders(resolve(folder));
    for (const stream of streams) await writeFile(join(resolve(folder), STREAMS[stream].name), "");
  } catch (error) {
    throw new CommandError(`--log-dir: ${(error as Error).message}`, "name a folder that you may write to");
  }
}

/** Has a machine's logs written to a folder, as long as it runs, and again when it is started again. */
export async function keepLogs(id: string, { streams, folder }: LogDir, session: Session): Promise<void> {
  const kept: LogDir = { streams, folder: resolve(folder) };
  await session.machines.keepFile(id, FILE, JSON.stringify(kept));
  await followKept(id, session);
}

/** Goes on with that on a machine that has been started again. */
export async function followKept(id: string, { machines }: Pick<Session, "machines">): Promise<void> {
  const text = await readFile(machines.file(id, FILE), "utf8").catch(() => undefined);
  if (text === undefined) return;
  const { streams, folder } = JSON.parse(text) as LogDir;
  const { startDetached } = await import("../../provider/host/detached.js");
  for (const stream of streams) {
    const { name, options } = STREAMS[stream];
    // It ends by itself with the machine: nobody has to remember it.
    const following = [MAIN, "logs", "--follow", ...options, id];
    await startDetached(process.execPath, following, join(folder, name)).catch((error: unknown) => {
      // The machine is up, and good for all else.
      note(`${colouredNote("yellow", "warning:")} its ${stream} is not written to ${folder}: ${String(error)}`);
    });
  }
}
