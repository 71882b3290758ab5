import type { Client } from "ssh2";

const PING_MS = 15_000;
/** So many pings in a row without an answer, 60 s, and the connection is given up; as `ssh -o ServerAliveInterval=15`. */
const PINGS_UNANSWERED = 4;

/** Whose connection is kept alive. */
interface KeptConnection {
  /** Whether anybody waits for something on it; while nobody does it need not answer. */
  readonly isUsed: () => boolean;
  /** Told why it is taken for dead. */
  readonly onDead: (reason: string) => void;
}

/** Asks the server for something that needs an answer, and changes nothing: to cancel a forward that does not exist. */
export function ping(client: Client, onAnswer: () => void): void {
  client.unforwardIn("127.0.0.1", 1, onAnswer);
}

/**
 * Asks the server now and then. ssh2's own keep-alive would do the same, but by a timer that keeps this process alive.
 * Disposed of, it ends.
 */
export function keepAlive(client: Client, { isUsed, onDead }: KeptConnection): Disposable {
  let unanswered = 0;
  const timer = setInterval(() => {
    if (!isUsed()) {
      unanswered = 0;
      return;
    }
    unanswered += 1;
    if (unanswered > PINGS_UNANSWERED) {
      onDead(`the other side has not answered for ${String((PING_MS * PINGS_UNANSWERED) / 1_000)} s`);
      return;
    }
    try {
      ping(client, () => {
        unanswered = 0;
      });
    } catch (error) {
      onDead((error as Error).message);
    }
  }, PING_MS).unref();
  return {
    [Symbol.dispose]: () => {
      clearInterval(timer);
    },
  };
}
