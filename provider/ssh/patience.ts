import { timerMs } from "../timers";
import { ATTEMPT_SECONDS, ATTEMPTS } from "./dial";
import { unreachable } from "./dial-error";
import type { Hop } from "./endpoint";

/** How long one waits for a connection, for which others may wait with another patience. Disposed of, it ends. */
export class Patience implements Disposable {
  readonly #begun = performance.now();
  readonly #limit: number;
  readonly #seconds: number;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param hop Says how many attempts, and how long each. @param onOver Told why, when that was enough. */
  constructor(
    private readonly hop: Hop,
    private readonly onOver: (error: Error) => void,
  ) {
    const { dialErrorLimit = ATTEMPTS, perDialTimeout = ATTEMPT_SECONDS } = hop;
    this.#limit = dialErrorLimit < 0 ? Number.POSITIVE_INFINITY : Math.max(1, dialErrorLimit);
    this.#seconds = perDialTimeout === 0 ? Number.POSITIVE_INFINITY : perDialTimeout;
  }

  /** The longest of some attempts' times, in seconds; 0 for no limit. */
  static longest(all: Iterable<Patience>): number {
    const longest = Math.max(0, ...[...all].map((one) => one.#seconds));
    return Number.isFinite(longest) ? longest : 0;
  }

  /** An attempt begins, or is under way. @param seconds What it may take; 0 for no limit. */
  begin(seconds: number): void {
    clearTimeout(this.#timer);
    if (!Number.isFinite(this.#seconds) || (seconds !== 0 && seconds <= this.#seconds)) return;
    this.#timer = setTimeout(() => {
      this.begin(seconds); // the attempt goes on for others; to this one it is the next
      this.failed(new Error(`timed out after ${String(this.#seconds)} s`));
    }, timerMs(this.#seconds));
  }

  /** An attempt has failed. */
  failed(error: Error): void {
    this.#failures += 1;
    if (this.#failures < this.#limit) return;
    this[Symbol.dispose]();
    this.onOver(unreachable(this.hop, this.#failures, (performance.now() - this.#begun) / 1_000, error));
  }

  /** Waits no longer. */
  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
