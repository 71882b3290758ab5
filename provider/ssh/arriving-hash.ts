import { PassThrough } from "node:stream";
import { quote } from "../host/shell";
import type { Remote } from "./remote";
import { GUEST_HELPER, HASH_TOOLS, printedHash, remoteHash } from "./remote-hash";

const BLOCK = 1_048_576; // dd reads whole ones, wherever there is a dd
const STEP_BLOCKS = 16; // what is worth a process there

/**
 * Hash of a file on a server while it arrives there. An emulated server that has no helper of ours hashes a large one
 * as long as a fifth of the time in which it comes; hashed as it comes, there is next to nothing left to do at its end.
 */
export class ArrivingHash {
  readonly #steps = new PassThrough();
  #told = 0; // blocks
  #answer: Promise<string | undefined> | undefined;

  constructor(
    private readonly remote: Remote,
    private readonly path: string,
  ) {}

  /** Hashes on. @param upTo Bytes that have certainly arrived, without a gap. */
  arrived(upTo: number): void {
    const blocks = Math.floor(upTo / BLOCK) - this.#told;
    if (blocks < STEP_BLOCKS) return;
    // Not sooner: with many files at a time each would hold a session that another one's content waits for.
    this.#answer ??= this.#begin();
    this.#tell(blocks);
  }

  /** The hash of all of it, once all has arrived. */
  async end(size: number): Promise<string> {
    if (this.#answer === undefined) return remoteHash(this.remote, this.path);
    const blocks = Math.ceil(size / BLOCK) - this.#told;
    if (blocks > 0) this.#tell(blocks);
    this.#steps.end();
    return (await this.#answer) ?? remoteHash(this.remote, this.path);
  }

  /** Gives up. */
  cancel(): void {
    this.#steps.end();
  }

  #tell(blocks: number): void {
    this.#steps.write(`${String(this.#told)} ${String(blocks)}\n`);
    this.#told += blocks;
  }

  async #begin(): Promise<string | undefined> {
    const read = `dd if=${quote(this.path)} bs=${String(BLOCK)} skip=$at count=$blocks 2>/dev/null`;
    const command = `if [ -x ${GUEST_HELPER} ]; then exec ${GUEST_HELPER} hash ${quote(this.path)}; fi
while read -r at blocks; do ${read}; done | ${HASH_TOOLS}`;
    try {
      const { stdout } = await this.remote.exec({ command, interpreter: ["/bin/sh", "-c"], stdin: this.#steps });
      return printedHash(stdout);
    } catch {
      return undefined; // no shell, or the connection broke: it is hashed once more, as a whole
    }
  }
}
