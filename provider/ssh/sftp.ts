import { setMaxListeners } from "node:events";
import { posix } from "node:path";
import type { InputAttributes, SFTPWrapper, Stats } from "ssh2";
import { RemoteFile } from "./remote-file";
import { LOST, NO_SUCH_FILE, SftpError } from "./sftp-error";
import { noTraffic, type Traffic } from "./traffic";

const FILE_TYPE = 0o170_000;
const LINK = 0o120_000;
const FOLDER = 0o040_000;
const REGULAR = 0o100_000;
const FOLDER_MODE = 0o755;

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

  /**
   * @param signal Ends the session, and with it what is under way.
   * @param traffic Counts the content of files that travels.
   */
  constructor(
    private readonly raw: SFTPWrapper,
    private readonly signal: AbortSignal,
    private readonly traffic: Traffic = noTraffic(),
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

  /** Makes a folder and those above it, where missing. @param made Told which these are, before they are made. */
  async makeFolder(path: string, made: (path: string) => void = () => undefined): Promise<void> {
    const seen = await this.stat(path);
    if (seen?.isDirectory() === true) return;
    if (seen !== undefined) throw new SftpError(4, "is in the way: it is no folder", path);
    const above = posix.dirname(path);
    if (above !== path) await this.makeFolder(above, made);
    made(path);
    await this.#call(path, (done) => {
      this.raw.mkdir(path, { mode: FOLDER_MODE } as never, done as never);
    }).catch(async (error: unknown) => {
      if ((await this.stat(path))?.isDirectory() !== true) throw error; // somebody else was quicker
    });
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
      read: async (buffer, length, position) => {
        const read = await this.#call<number>(path, (done) => {
          this.raw.read(handle, buffer, 0, length, position, done);
        });
        this.traffic.received += read;
        return read;
      },
      write: async (buffer, length, position) => {
        await this.#call(path, (done) => {
          this.raw.write(handle, buffer, 0, length, position, done);
        });
        this.traffic.sent += length;
      },
      sync: async () =>
        this.#call(path, (done) => {
          this.raw.ext_openssh_fsync(handle, done as never);
        }),
      stat: async () =>
        this.#call<Stats>(path, (done) => {
          this.raw.fstat(handle, done);
        }),
      set: async (attributes) =>
        this.#call(path, (done) => {
          this.raw.fsetstat(handle, attributes, done);
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
