import { open } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { Session } from "../rooms";

const LOOK_MS = 100; // at a file's size: takes microseconds
const LOOK_FOR_END_MS = 500;
const PIECE_BYTES = 1_048_576; // of a log: a guest that floods its console has written more than a string can hold

/** Whether a log will not grow any more; asked before each read, so that the last lines are read. */
export type IsOver = () => Promise<boolean>;

/** At once where nobody follows; else when the machine is gone. */
export function goneOr(follow: boolean, id: string, { machines }: Pick<Session, "machines">): IsOver {
  return async () => !follow || !(await machines.isAlive(id));
}

/** Waits until a machine does not run any more; rejects when the signal fires. */
export async function untilGone(id: string, { machines, signal }: Pick<Session, "machines" | "signal">): Promise<void> {
  while (await machines.isAlive(id)) await sleep(LOOK_FOR_END_MS, undefined, { signal });
}

/**
 * Reads a log of a machine line by line, from its beginning. A file that is not there is an empty one; one that was begun
 * anew is read from its beginning.
 */
export async function eachLogLine(
  file: string,
  isOver: IsOver,
  { signal }: Pick<Session, "signal">,
  onLine: (line: string) => void,
): Promise<void> {
  const reader = new LineReader(file, onLine);
  for (;;) {
    const isLast = await isOver();
    await reader.read(signal);
    if (isLast) return;
    await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined);
    signal.throwIfAborted(); // Ctrl-C, which is no error
  }
}

/** Reads what has come to a file since the last time, line by line. A file that is not there is an empty one. */
export class LineReader {
  #position = 0;
  #rest = "";
  #turn = Promise.resolve();

  /** @param onLine Gets each line, without its end. */
  constructor(
    private readonly file: string,
    private readonly onLine: (line: string) => void,
  ) {}

  /**
   * Reads on, to the end of what is there. One call after another: else two would read the same.
   *
   * @param signal Ends it between two pieces, with its reason.
   */
  async read(signal?: AbortSignal): Promise<void> {
    const turn = this.#turn.then(async () => this.#read(signal));
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #read(signal: AbortSignal | undefined): Promise<void> {
    const file = await open(this.file, "r").catch(() => undefined);
    if (file === undefined) return;
    try {
      const { size } = await file.stat();
      if (size < this.#position) [this.#position, this.#rest] = [0, ""];
      const piece = Buffer.alloc(Math.min(PIECE_BYTES, size - this.#position));
      while (this.#position < size) {
        const { bytesRead } = await file.read(piece, 0, Math.min(piece.length, size - this.#position), this.#position);
        if (bytesRead === 0) return; // begun anew meanwhile
        this.#position += bytesRead;
        this.#tell(piece.toString("latin1", 0, bytesRead));
        signal?.throwIfAborted();
      }
    } finally {
      await file.close();
    }
  }

  #tell(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    // Decoded line by line: a piece may end within a character.
    for (const line of lines) this.onLine(Buffer.from(line, "latin1").toString("utf8"));
  }
}
