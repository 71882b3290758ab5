import { open, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { LogDir } from "../args/log-dir";
import { colouredNote, note } from "../output";
import type { Session } from "../rooms";
import { CommandError } from "../trouble";
import { allVMs } from "./find";
import { cursorIn } from "./journal";

/** In a machine's folder: where its logs are to go. */
const FILE = "log-dir.json";

/** There, too: what those who write them say of their troubles. */
const ERRORS = "log-dir.log";

const TAIL_BYTES = 4_194_304; // of a journal: an entry may hold a core's backtrace

/** The compiled command. */
const MAIN = join(__dirname, "..", "main.js");

/** What each stream is followed by, and the file that it goes to; names as bcvk has them. */
const STREAMS = {
  console: { name: "console.txt", options: ["--console"] },
  journal: { name: "journal.json", options: ["--journal", "--json"] },
} as const;

/**
 * Makes a machine with the files of its logs, if it is to have such, which no other machine gets meanwhile.
 *
 * @throws {CommandError} See {@link makeLogFiles}.
 */
export async function withLogFiles<T>(
  logDir: LogDir | undefined,
  session: Session,
  make: () => Promise<T>,
): Promise<T> {
  if (logDir === undefined) return make();
  const { withLock } = await import("../../provider/host/locks.js");
  return withLock(session.paths.locks, `log-dir-${resolve(logDir.folder)}`, session.signal, async () => {
    await makeLogFiles(logDir, session);
    return make();
  });
}

/**
 * Makes the folder and the empty files of a machine's logs, before there is a machine.
 *
 * @throws {CommandError} Where they can't be made, or are those of another machine that runs, or was stopped.
 */
export async function makeLogFiles({ streams, folder }: LogDir, session: Session): Promise<void> {
  const { makeFolders } = await import("../../provider/host/files.js");
  for (const stream of streams) await refuseTaken(stream, resolve(folder), session);
  try {
    await makeFolders(resolve(folder));
    for (const stream of streams) await writeFile(join(resolve(folder), STREAMS[stream].name), "");
  } catch (error) {
    throw new CommandError(`--log-dir: ${(error as Error).message}`, "name a folder that you may write to");
  }
}

async function refuseTaken(stream: keyof typeof STREAMS, folder: string, session: Session): Promise<void> {
  const { machines } = session;
  for (const { id, record } of await allVMs(session)) {
    const kept = await keptOf(id, session);
    if (kept?.folder !== folder || !kept.streams.includes(stream)) continue;
    if (record.stoppedAt === undefined && !(await machines.isAlive(id))) continue; // its last words have been written
    const { resource } = record.owner;
    throw new CommandError(
      `--log-dir: ${join(folder, STREAMS[stream].name)} is where the ${stream} of ${resource} is written to`,
      `name another folder, or: mayfly rm ${resource}`,
    );
  }
}

async function keptOf(id: string, { machines }: Pick<Session, "machines">): Promise<LogDir | undefined> {
  const text = await readFile(machines.file(id, FILE), "utf8").catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as LogDir);
}

/** Has a machine's logs written to a folder, as long as it runs, and again when it is started again. */
export async function keepLogs(id: string, { streams, folder }: LogDir, session: Session): Promise<void> {
  const kept: LogDir = { streams, folder: resolve(folder) };
  await session.machines.keepFile(id, FILE, JSON.stringify(kept));
  await followKept(id, session);
}

/** Goes on with that on a machine that has been started again. */
export async function followKept(id: string, { machines }: Pick<Session, "machines">): Promise<void> {
  const kept = await keptOf(id, { machines });
  if (kept === undefined) return;
  const { streams, folder } = kept;
  const { startDetached } = await import("../../provider/host/detached.js");
  for (const stream of streams) {
    const { name, options } = STREAMS[stream];
    const file = join(folder, name);
    try {
      const cursor = stream === "journal" ? await lastCursor(file) : undefined; // of a console there is a new log now
      const after = cursor === undefined ? [] : [`--after-cursor=${cursor}`];
      // It ends by itself with the machine: nobody has to remember it.
      const following = [MAIN, "logs", "--follow", ...options, ...after, id];
      await startDetached(process.execPath, following, file, machines.file(id, ERRORS));
    } catch (error) {
      // The machine is up, and good for all else.
      note(`${colouredNote("yellow", "warning:")} its ${stream} is not written to ${folder}: ${String(error)}`);
    }
  }
}

/** The last entry of a journal that is in a file as a whole. Takes away what is there of one that was cut off. */
async function lastCursor(path: string): Promise<string | undefined> {
  const file = await open(path, "r+").catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  });
  if (file === undefined) return undefined;
  try {
    const { size } = await file.stat();
    const start = Math.max(0, size - TAIL_BYTES);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size - start), 0, size - start, start);
    const text = buffer.toString("latin1", 0, bytesRead);
    const end = text.lastIndexOf("\n") + 1;
    if (end < text.length) await file.truncate(start + end);
    const cursors = text.slice(0, end).split("\n").map(cursorIn);
    return cursors.findLast((cursor) => cursor !== undefined);
  } finally {
    await file.close();
  }
}
