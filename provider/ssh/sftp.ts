import { setMaxListeners } from "node:events";
import type { FileHandle } from "node:fs/promises";
import { posix } from "node:path";
import type { InputAttributes, SFTPWrapper, Stats } from "ssh2";

/** What the server answered, in SFTP's numbers. */
export class SftpError extends Error {
  /** @param status See the constants below; `LOST` when there was no answer. */
  constructor(
    readonly status: number,
    message: string,
    readonly path: string,
  ) {
    super(`${path}: ${message}`);
  }
}

/** There is no such file (SSH_FX_NO_SUCH_FILE). */
export const NO_SUCH_FILE = 2;
/** The session ended; what was under way may or may not have been done. */
export const LOST = -1;

const CHUNK = 32_768; // what fits into one packet of an SSH channel
const IN_FLIGHT = 64; // requests on their way, as OpenSSH's sftp
const FILE_TYPE = 0o170_000;
const LINK = 0o120_000;
const FOLDER = 0o040_000;
const REGULAR = 0o100_000;

type Callback<T> = (error: Error | null | undefined, value?: T) => void;

/** An entry of a folder on the server. */
export interface RemoteEntry {
  readonly name: string;
  readonly stats: Stats;
}

/** One SFTP session, by promises that end with the session or with the signal. */
export class Sftp {
  readonly #pending = new Set<(error: Error) => void>();
  #ended: Error | undefined;

  /** @param signal Ends the session, and with it what is under way. */
  constructor(
    private readonly raw: SFTPWrapper,
    private readonly signal: AbortSignal,
  ) {
    setMaxListeners(0, signal);
    raw.on("close", this.#onClose).on("end", this.#onClose);
    signal.addEventListener("abort", this.#onAbort, { once: true });
    if (signal.aborted) this.#onAbort();
  }

  /** Ends the session. */
  end(): void {
    this.signal.removeEventListener("abort", this.#onAbort);
    this.raw.end();
    this.#fail(new SftpError(LOST, "the session was ended", ""));
  }

  /** What a path is, a link being a link; `undefined` when there is nothing. */
  async lstat(path: string): Promise<Stats | undefined> {
    return this.#ifThere<Stats>(path, (done) => {
      this.raw.lstat(path, done);
    });
  }

  /** What a path leads to; `undefined` when there is nothing. */
  async stat(path: string): Promise<Stats | undefined> {
    return this.#ifThere<Stats>(path, (done) => {
      this.raw.stat(path, done);
    });
  }

  /** All that is in a folder but `.` and `..`. Names that are no UTF-8 can't be told apart, and fail. */
  async list(path: string): Promise<RemoteEntry[]> {
    const entries = await this.#call<{ filename: string; attrs: Stats }[]>(path, (done) => {
      this.raw.readdir(path, done);
    });
    return entries
      .filter(({ filename }) => filename !== "." && filename !== "..")
      .map(({ filename, attrs }) => ({ name: filename, stats: attrs }));
  }

  /** The absolute form of a path; `.` is the user's home. */
  async realPath(path: string): Promise<string> {
    return this.#call<string>(path, (done) => {
      this.raw.realpath(path, done);
    });
  }

  /** Where a link points. */
  async readLink(path: string): Promise<string> {
    return this.#call<string>(path, (done) => {
      this.raw.readlink(path, done);
    });
  }

  /** Makes a link at `path`. */
  async link(target: string, path: string): Promise<void> {
    // OpenSSH takes the two the other way round than the draft says; ssh2 knows, and asks whether it talks to one.
    await this.#call(path, (done) => {
      this.raw.symlink(target, path, done);
    });
  }

  /** Makes a folder and those above it, where missing; tells which it has made, the topmost first. */
  async makeFolder(path: string, mode = 0o755): Promise<string[]> {
    const seen = await this.stat(path);
    if (seen?.isDirectory() === true) return [];
    if (seen !== undefined) throw new SftpError(4, "is in the way: it is no folder", path);
    const above = posix.dirname(path);
    const made = above === path ? [] : await this.makeFolder(above, mode);
    await this.#call(path, (done) => {
      this.raw.mkdir(path, { mode } as never, done as never);
    }).catch(async (error: unknown) => {
      if ((await this.stat(path))?.isDirectory() !== true) throw error; // somebody else was quicker
    });
    return [...made, path];
  }

  /** Removes a file or a link. */
  async unlink(path: string): Promise<void> {
    await this.#ifThere(path, (done) => {
      this.raw.unlink(path, done);
    });
  }

  /** Removes an empty folder. */
  async removeFolder(path: string): Promise<void> {
    await this.#ifThere(path, (done) => {
      this.raw.rmdir(path, done);
    });
  }

  /** Puts a file into another's place, in one step where the server can (OpenSSH's own can). */
  async replace(from: string, to: string): Promise<void> {
    const rename = (done: Callback<undefined>) => {
      this.raw.ext_openssh_rename(from, to, done);
    };
    try {
      await this.#call(to, rename);
    } catch (error) {
      if (!(error instanceof Error) || !error.message.includes("does not support")) throw error;
      await this.unlink(to);
      await this.#call(to, (done) => {
        this.raw.rename(from, to, done);
      });
    }
  }

  /** Sets mode, owner, times; of what a link leads to. */
  async set(path: string, attributes: InputAttributes): Promise<void> {
    await this.#call(path, (done) => {
      this.raw.setstat(path, attributes, done);
    });
  }

  /** Opens a file. Flags as in `fs.open`. */
  async open(path: string, flags: "r" | "wx" | "r+", mode = 0o600): Promise<RemoteFile> {
    const handle = await this.#call<Buffer>(path, (done) => {
      this.raw.open(path, flags, { mode } as never, done as never);
    });
    return new RemoteFile(path, {
      read: (buffer, length, position) =>
        this.#call<number>(path, (done) => {
          this.raw.read(handle, buffer, 0, length, position, done);
        }),
      write: async (buffer, length, position) =>
        this.#call(path, (done) => {
          this.raw.write(handle, buffer, 0, length, position, done);
        }),
      sync: async () =>
        this.#call(path, (done) => {
          this.raw.ext_openssh_fsync(handle, done as never);
        }),
      close: async () =>
        this.#call(path, (done) => {
          this.raw.close(handle, done);
        }),
    });
  }

  async #ifThere<T>(path: string, begin: (done: Callback<T>) => void): Promise<T | undefined> {
    try {
      return await this.#call(path, begin);
    } catch (error) {
      if (error instanceof SftpError && error.status === NO_SUCH_FILE) return undefined;
      throw error;
    }
  }

  async #call<T = undefined>(path: string, begin: (done: Callback<T>) => void): Promise<T> {
    this.signal.throwIfAborted();
    if (this.#ended !== undefined) throw this.#ended;
    let fail: ((error: Error) => void) | undefined;
    try {
      return await new Promise<T>((resolve, reject) => {
        fail = reject;
        this.#pending.add(reject);
        begin((error, value) => {
          if (error) reject(this.#ended ?? wrap(error, path));
          else resolve(value as T);
        });
      });
    } finally {
      if (fail !== undefined) this.#pending.delete(fail);
    }
  }

  #fail(error: Error): void {
    this.#ended ??= error;
    for (const reject of this.#pending) reject(this.#ended);
    this.#pending.clear();
  }

  readonly #onClose = (): void => {
    this.#fail(new SftpError(LOST, "the connection broke", ""));
  };

  readonly #onAbort = (): void => {
    this.#fail(this.signal.reason as Error);
    this.raw.end();
  };
}

/** Reads so many bytes at a place into a buffer; tells how many there were. */
export type ReadAt = (buffer: Buffer, length: number, position: number) => Promise<number>;

/** The calls on an open file. */
interface FileCalls {
  readonly read: (buffer: Buffer, length: number, position: number) => Promise<number>;
  readonly write: (buffer: Buffer, length: number, position: number) => Promise<void>;
  readonly sync: () => Promise<void>;
  readonly close: () => Promise<void>;
}

/** A file that is open on the server. */
export class RemoteFile {
  /** @param path For errors. */
  constructor(
    readonly path: string,
    private readonly calls: FileCalls,
  ) {}

  /** Closes it. */
  async close(): Promise<void> {
    await this.calls.close();
  }

  /** Asks the server to have it on its disk; nothing happens where the server can't. */
  async sync(): Promise<void> {
    await this.calls.sync().catch((error: unknown) => {
      if (error instanceof SftpError && error.status === LOST) throw error;
    });
  }

  /**
   * Writes what a reader gives from a place on, many chunks at a time.
   *
   * @param onDone Told up to where everything has certainly arrived.
   */
  async fill(local: ReadAt, size: number, from: number, onDone: (upTo: number) => void): Promise<void> {
    await inChunks(size, from, onDone, async (buffer, position, length) => {
      const read = await local(buffer, length, position);
      if (read > 0) await this.calls.write(buffer, read, position);
    });
  }

  /** Reads from a place on into a local file, many chunks at a time. */
  async drain(local: FileHandle, size: number, from: number, onDone: (upTo: number) => void): Promise<void> {
    await inChunks(size, from, onDone, async (buffer, position, length) => {
      for (let done = 0; done < length;) {
        const read = await this.calls.read(buffer, length - done, position + done);
        if (read === 0) return; // it became shorter
        await local.write(buffer, 0, read, position + done);
        done += read;
      }
    });
  }

  /** Hands out the whole content, in order. */
  async *content(): AsyncGenerator<Buffer> {
    // Some chunks ahead, or each would cost a journey there and back.
    const ask = (position: number) => {
      const buffer = Buffer.allocUnsafe(CHUNK);
      const answer = this.calls.read(buffer, CHUNK, position).then((read) => buffer.subarray(0, read));
      answer.catch(() => undefined); // heard when its turn comes
      return answer;
    };
    const ahead: Promise<Buffer>[] = [];
    let asked = 0;
    for (let position = 0; ;) {
      for (; ahead.length < IN_FLIGHT; asked += CHUNK) ahead.push(ask(asked));
      const chunk = (await ahead.shift()) ?? Buffer.alloc(0);
      if (chunk.length === 0) return;
      yield chunk;
      position += chunk.length;
      if (chunk.length === CHUNK) continue;
      ahead.length = 0; // a short answer: the ones behind it start at the wrong places
      asked = position;
    }
  }
}

/** Works through a range with many chunks in flight; fails with the first failure, once nothing is in flight. */
async function inChunks(
  size: number,
  from: number,
  onDone: (upTo: number) => void,
  work: (buffer: Buffer, position: number, length: number) => Promise<void>,
): Promise<void> {
  let next = from;
  let failed = false;
  const open = new Set<number>();
  const lane = async () => {
    const buffer = Buffer.allocUnsafe(CHUNK);
    while (next < size && !failed) {
      const position = next;
      next += CHUNK;
      open.add(position);
      try {
        await work(buffer, position, Math.min(CHUNK, size - position));
      } catch (error) {
        failed = true;
        throw error;
      }
      open.delete(position);
      onDone(Math.min(size, ...open, next));
    }
  };
  const lanes = Math.min(IN_FLIGHT, Math.ceil((size - from) / CHUNK));
  const ended = await Promise.allSettled(Array.from({ length: Math.max(0, lanes) }, lane));
  for (const result of ended) if (result.status === "rejected") throw result.reason;
}

function wrap(error: Error & { code?: unknown }, path: string): Error {
  if (error.message.includes("does not support")) return error;
  const status = typeof error.code === "number" ? error.code : LOST;
  return new SftpError(status, error.message, path);
}

/** Whether these are the attributes of a link, a folder, a regular file. */
export function kindOf({ mode }: { readonly mode: number }): "link" | "folder" | "file" | "other" {
  const type = mode & FILE_TYPE;
  if (type === LINK) return "link";
  if (type === FOLDER) return "folder";
  return type === REGULAR ? "file" : "other";
}
