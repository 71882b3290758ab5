import type { ClientChannel, SFTPWrapper } from "ssh2";
import { abortable } from "../host/abortable";

/** A session that did not come to be. Whatever was to run in it has certainly not begun. */
export class NotStarted extends Error {
  /**
   * @param reason `lost`: the connection is no good any more. `silent`: the same, since the server does not answer on it.
   * `refused`: it is, but the server wants nothing (more) of the kind on it.
   * @param isForbidden Whether the server says that it never will.
   */
  constructor(
    readonly reason: "lost" | "silent" | "refused",
    message: string,
    readonly isForbidden = false,
  ) {
    super(message);
  }
}

const PROHIBITED = 1; // SSH_OPEN_ADMINISTRATIVELY_PROHIBITED, RFC 4254, section 5.1

/** Words of ssh2 for a server that keeps the connection but has no SFTP. */
const NO_SFTP = /^Unable to start subsystem|while establishing SFTP|SFTP session termination/;

/** How ssh2 answers; its types say that there always is a channel. */
export type OnChannel<T = ClientChannel> = (error: (Error & { reason?: unknown }) | undefined, channel?: T) => void;

/** A session with a program, or with the server's SFTP. */
export type AnyChannel = ClientChannel | SFTPWrapper;

/**
 * Opens a channel on a connection of ssh2's. One that comes too late is closed again.
 *
 * @param begin Asks for it.
 * @param patience Milliseconds until the server is taken for dead; `undefined`: it never is, the signal alone ends it.
 * @throws {NotStarted} With an empty message where ssh2 has none. The signal's reason, when that fired.
 */
export async function openChannel<T extends AnyChannel>(
  begin: (done: OnChannel<T>) => void,
  patience: number | undefined,
  signal: AbortSignal | undefined,
): Promise<T> {
  let isWanted = true;
  let timer: NodeJS.Timeout | undefined;
  try {
    return await abortable<T>(signal, (resolve, reject) => {
      if (patience !== undefined)
        timer = setTimeout(() => {
          reject(new NotStarted("lost", `the server did not open a session within ${(patience / 1_000).toFixed(0)} s`));
        }, patience);
      const done: OnChannel<T> = (error, channel) => {
        if (channel === undefined) {
          reject(notStarted(error));
          return;
        }
        channel.on("error", ignore);
        if ("stderr" in channel) channel.stderr.on("error", ignore);
        if (isWanted) resolve(channel);
        else if ("stderr" in channel) channel.close();
        else channel.end();
      };
      try {
        begin(done);
      } catch (error) {
        reject(new NotStarted("lost", (error as Error).message)); // ssh2 throws where the socket is closed already
      }
    });
  } catch (error) {
    isWanted = false;
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

function notStarted(error: Parameters<OnChannel>[0]): NotStarted {
  const { message, reason } = error ?? { message: "", reason: undefined };
  const isMissing = NO_SFTP.test(message);
  const isAnswer = typeof reason === "number" || message === "Unable to exec" || isMissing;
  return new NotStarted(isAnswer ? "refused" : "lost", message, isMissing || reason === PROHIBITED);
}

function ignore(): void {
  // a channel's end is told by `close`
}
