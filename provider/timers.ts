/** The longest that a timer of Node's waits, 24.8 days: a longer one fires at once, or is refused. */
const LONGEST_TIMER_MS = 2_147_483_647;

/** A number of seconds in milliseconds, for a timer: at most the longest that there is. */
export function timerMs(seconds: number): number {
  return Math.min(Math.ceil(seconds * 1_000), LONGEST_TIMER_MS);
}

/** Fires, as `AbortSignal.timeout` does, after as many seconds as a user has asked for. */
export function afterSeconds(seconds: number): AbortSignal {
  return AbortSignal.timeout(timerMs(seconds));
}
