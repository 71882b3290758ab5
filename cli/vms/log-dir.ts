import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { LogDir } from "../args/log-dir";
import type { Session } from "../rooms";

/** In a machine's folder: where its logs are to go. */
const FILE = "log-dir.json";

/** The compiled command. */
const MAIN = join(__dirname, "..", "main.js");

/** What each stream is followed by, and the file that it goes to; names as bcvk has them. */
const STREAMS = {
  console: { name: "console.txt", options: ["--console"] },
  journal: { name: "journal.json", options: ["--journal", "--json"] },
} as const;

/** Has a machine's logs written to a folder, as long as it runs, and again when it is started again. */
export async function keepLogs(id: string, { streams, folder }: LogDir, session: Session): Promise<void> {
  const kept: LogDir = { streams, folder: resolve(folder) };
  await session.machines.keepFile(id, FILE, JSON.stringify(kept));
  await mkdir(kept.folder, { recursive: true });
  for (const stream of streams) await writeFile(join(kept.folder, STREAMS[stream].name), "");
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
    await startDetached(process.execPath, [MAIN, "logs", "--follow", ...options, id], join(folder, name));
  }
}
