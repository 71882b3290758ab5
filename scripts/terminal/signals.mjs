/** By which a person, a closed terminal or a service manager asks us to end. @type {readonly NodeJS.Signals[]} */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];

/** The first that came while {@link holdSignals} held them. @type {NodeJS.Signals | undefined} */
let asked;

/** What work rejects with that was cut short by a signal. {@link endAsAsked} does the rest. */
export class Interrupted extends Error {}

/** The signal that has asked this process to end, if one was held. Nothing new is to begin then. */
export function askedToEnd() {
  return asked;
}

/**
 * Waits for work. A signal that asks us to end does so only afterwards: `finally` has its turn, and no program is left
 * behind that writes to a closed pipe.
 *
 * @template T
 * @param {Promise<T>} work What must come to its end.
 * @param {() => void} [onSignal] Hastens that end, each time a signal comes.
 */
export async function holdSignals(work, onSignal = () => undefined) {
  /** @param {NodeJS.Signals} signal Which one came. */
  const hold = (signal) => {
    // From now on all are held, until the end: npm sends what the terminal has sent already.
    if (asked === undefined) for (const one of SIGNALS) process.on(one, () => undefined);
    asked ??= signal;
    onSignal();
  };
  for (const one of SIGNALS) process.on(one, hold);
  try {
    return await work;
  } finally {
    for (const one of SIGNALS) process.off(one, hold);
  }
}

/** Ends this process by the signal that was held, if one was: so the shell, and npm, know what happened. */
export function endAsAsked() {
  if (asked === undefined) return;
  for (const one of SIGNALS) process.removeAllListeners(one);
  process.kill(process.pid, asked);
}
