/**
 * A promise that the signal ends: with its reason, and without a listener left behind on it. (A signal outlives what
 * hangs on it: one deadline covers a whole call.)
 *
 * @param begin As for `new Promise`.
 */
export async function abortable<T>(
  signal: AbortSignal | undefined,
  begin: (resolve: (value: T) => void, reject: (error: Error) => void) => void,
): Promise<T> {
  signal?.throwIfAborted();
  let onAbort = (): void => undefined;
  try {
    return await new Promise<T>((resolve, reject) => {
      onAbort = () => {
        reject(signal?.reason as Error);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      begin(resolve, reject);
    });
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}
