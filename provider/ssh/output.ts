import { StringDecoder } from "node:string_decoder";

/** The two streams of a command. */
export type StreamName = "stdout" | "stderr";

const LONGEST_LINE = 16_384; // a longer one is shown in parts: a progress bar without line ends must not pile up

/** Keeps what a command prints on one stream, and hands out its lines as they come. */
export class Output {
  readonly #chunks: Buffer[] = [];
  readonly #decoder = new StringDecoder("utf8"); // a character may be spread over two chunks
  #bytes = 0;
  #line = "";

  /** @param max Most bytes to keep. @param onLine Gets each line, without its end. */
  constructor(
    private readonly max: number,
    private readonly onLine: ((line: string) => void) | undefined,
  ) {}

  /** Takes the next chunk; `false` once there is more than may be kept. */
  push(chunk: Buffer): boolean {
    const kept = chunk.subarray(0, this.max - this.#bytes);
    this.#chunks.push(kept);
    this.#bytes += kept.length;
    if (this.onLine !== undefined) this.#tell(this.#decoder.write(kept));
    return kept.length === chunk.length;
  }

  /** Hands out the last line, which may have no end, and returns all that was kept. */
  end(): Buffer {
    if (this.onLine !== undefined) {
      this.#tell(this.#decoder.end());
      if (this.#line !== "") this.onLine(this.#line);
      this.#line = "";
    }
    return Buffer.concat(this.#chunks);
  }

  #tell(text: string): void {
    const lines = (this.#line + text).split("\n");
    this.#line = lines.pop() ?? "";
    for (const line of lines) this.onLine?.(line.endsWith("\r") ? line.slice(0, -1) : line);
    for (; this.#line.length > LONGEST_LINE; this.#line = this.#line.slice(LONGEST_LINE))
      this.onLine?.(this.#line.slice(0, LONGEST_LINE));
  }
}

const MOST_NOISE = 65_536; // of what start-up files print; kept to explain why a command did not start

/** Watches for the mark with which a program begins. What comes before is noise of the login shell's start-up files. */
export class StartWatch {
  #seen = Buffer.alloc(0);
  #processGroup: number | undefined;

  /** @param mark Its first group is the process id. */
  constructor(private readonly mark: RegExp) {}

  /** The program's process group, which is also the sign that it has begun. */
  get processGroup(): number | undefined {
    return this.#processGroup;
  }

  /** What came instead of the mark. */
  get noise(): string {
    return this.#seen.toString("utf8");
  }

  /** Takes the next chunk; returns what of it belongs to the program. */
  push(chunk: Buffer): Buffer {
    if (this.#processGroup !== undefined) return chunk;
    this.#seen = Buffer.concat([this.#seen, chunk]);
    const found = this.mark.exec(this.#seen.toString("latin1")); // one character a byte: the index is one of bytes
    if (found === null) {
      this.#seen = this.#seen.subarray(-MOST_NOISE);
      return Buffer.alloc(0);
    }
    const rest = this.#seen.subarray(found.index + found[0].length);
    this.#processGroup = Number(found[1]);
    this.#seen = Buffer.alloc(0);
    return rest;
  }
}
