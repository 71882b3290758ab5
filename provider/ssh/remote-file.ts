import type { FileHandle } from "node:fs/promises";
import type { InputAttributes, Stats } from "ssh2";
import { withoutHoles } from "./holes";
import { LOST, SftpError } from "./sftp-error";

/** The most that OpenSSH's server takes in a request. ssh2 asks servers how much they take, and splits what is more. */
const CHUNK = 261_120;
const IN_FLIGHT = 16; // requests on their way: twice what a channel's window of 2 MiB lets through

/** Reads so many bytes at a place into a buffer; tells how many there were. */
export type ReadAt = (buffer: Buffer, length: number, position: number) => Promise<number>;

/** The calls on an open file. */
export interface FileCalls {
  readonly read: (buffer: Buffer, length: number, position: number) => Promise<number>;
  readonly write: (buffer: Buffer, length: number, position: number) => Promise<void>;
  readonly sync: () => Promise<void>;
  readonly stat: () => Promise<Stats>;
  readonly set: (attributes: InputAttributes) => Promise<void>;
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

  /** What it is, whatever its path leads to by now. */
  async stat(): Promise<Stats> {
    return this.calls.stat();
  }

  /** Sets its mode, owner, times: its own, whatever its path leads to by now. */
  async set(attributes: InputAttributes): Promise<void> {
    await this.calls.set(attributes);
  }

  /**
   * Writes what a reader gives from a place on, many chunks at a time.
   *
   * @param onDone Told up to where everything has certainly arrived.
   * @param isSparse Leaves out long runs of zeros: for a file that has holes, into a new one.
   */
  async fill(
    local: ReadAt,
    size: number,
    from: number,
    onDone: (upTo: number) => void,
    isSparse = false,
  ): Promise<void> {
    await inChunks(size, from, onDone, async (buffer, position, length) => {
      const read = await local(buffer, length, position);
      if (read === 0) return;
      if (!isSparse) return this.calls.write(buffer, read, position);
      for (const { at, part } of withoutHoles(buffer.subarray(0, read), position + read === size))
        await this.calls.write(part, part.length, position + at);
    });
  }

  /** Reads from a place on into a local file that is new, many chunks at a time; long runs of zeros become holes. */
  async drain(local: FileHandle, size: number, from: number, onDone: (upTo: number) => void): Promise<void> {
    await inChunks(size, from, onDone, async (buffer, position, length) => {
      for (let done = 0; done < length;) {
        const read = await this.calls.read(buffer, length - done, position + done);
        if (read === 0) return; // it became shorter
        for (const { at, part } of withoutHoles(buffer.subarray(0, read), position + done + read === size))
          await local.write(part, 0, part.length, position + done + at);
        done += read;
      }
    });
  }

  /** Hands out the content, in order. @param upTo No byte from there on is asked for, though some may come. */
  async *content(upTo = Number.POSITIVE_INFINITY): AsyncGenerator<Buffer> {
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
      for (; ahead.length < IN_FLIGHT && asked < upTo; asked += CHUNK) ahead.push(ask(asked));
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
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK, size - from));
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
