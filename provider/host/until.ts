import { setTimeout as sleep } from "node:timers/promises";
import { MayflyError, type ErrorCode, type ErrorDetails } from "../errors";

/** How long, how often, and whom to ask when it was in vain. */
export interface Wait {
  /** Ends the wait; usually `AbortSignal.any([caller, AbortSignal.timeout(ms)])`. */
  readonly signal: AbortSignal;
  /** Pause between probes, in milliseconds. Prefer an event; poll only what has none. @default 100 */
  readonly interval?: number;
  /** Code of the error when time is up. @default "TIMEOUT" */
  readonly code?: ErrorCode;
  /** Asked once, after time is up: why did it never happen? */
  readonly diagnose: () => Promise<ErrorDetails> | ErrorDetails;
}

/** Probes until there is an answer. If there never is, the error carries the diagnosis. */
export async function until<T>(what: string, probe: () => Promise<T | undefined>, wait: Wait): Promise<T> {
  try {
    for (;;) {
      wait.signal.throwIfAborted();
      const answer = await probe();
      if (answer !== undefined) return answer;
      await sleep(wait.interval ?? 100, undefined, { signal: wait.signal });
    }
  } catch (cause) {
    if (!wait.signal.aborted) throw cause; // the probe broke: not a matter of time
    throw new MayflyError(wait.code ?? "TIMEOUT", `gave up waiting: ${what}`, { cause, ...(await wait.diagnose()) });
  }
}
