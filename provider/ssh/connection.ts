import type { Duplex } from "node:stream";
import type { Client, ClientChannel } from "ssh2";
import { abortable } from "./abortable";
import type { Reader } from "./bootstrap";
import type { Dialled } from "./dial";

/** sshd allows 10 sessions on a connection by default (MaxSessions); two stay free for ending a command that hangs. */
const SESSIONS = 8;
/** A server that does not even open a session within this time is not used for new ones. */
const OPEN_MS = 10_000;
const PING_MS = 15_000;
/** So many pings in a row without an answer, 60 s, and the connection is given up; as `ssh -o ServerAliveInterval=15`. */
const PINGS_UNANSWERED = 4;

/** A session that did not come to be. Whatever was to run in it has certainly not begun. */
export class NotStarted extends Error {
  /**
   * @param reason `lost`: the connection is no good any more. `refused`: it is, but the server wants nothing (more) of
   * the kind on it.
   * @param isForbidden Whether the server says that it never will.
   */
  constructor(
    readonly reason: "lost" | "refused",
    message: string,
    readonly isForbidden = false,
  ) {
    super(message);
  }
}

const PROHIBITED = 1; // SSH_OPEN_ADMINISTRATIVELY_PROHIBITED, RFC 4254, section 5.1

/** How ssh2 answers; its types say that there always is a channel. */
type OnChannel = (error: (Error & { reason?: unknown }) | undefined, channel?: ClientChannel) => void;

/** One SSH connection with its sessions. Idle, it does not keep this process alive. */
export class SshConnection {
  /** How the login shell there takes programs, as far as we know. */
  reader: Reader = "block";
  /** Why it ended, once it has. */
  reason = "it was closed";
  #sessions = 0;
  #limit = SESSIONS;
  #forwards = 0;
  #holds = 0;
  #open = true;
  #retired = false;
  #unanswered = 0;
  readonly #client: Client;
  readonly #carrier: Dialled["carrier"];
  readonly #ping: NodeJS.Timeout;
  readonly #whenEnded = new Set<() => void>();

  /** @param onChange Called when a session has become free, and when the connection has ended. */
  constructor(
    { client, carrier }: Dialled,
    private readonly onChange: () => void,
  ) {
    this.#client = client;
    this.#carrier = carrier;
    this.#ping = setInterval(() => {
      this.#sendPing();
    }, PING_MS).unref();
    client
      .on("error", (error: Error) => {
        this.reason = error.message;
      })
      .on("close", () => {
        this.#end();
      });
    carrier.release();
    if (carrier.stream.destroyed || !carrier.stream.writable) this.#end(); // it ended before anybody listened
  }

  /** Whether it still stands. */
  get isOpen(): boolean {
    return this.#open;
  }

  /** Whether another session may be begun on it. */
  get hasRoom(): boolean {
    return this.#open && !this.#retired && this.#sessions < this.#limit;
  }

  /** Whether no more than one session runs on it. */
  get isAlone(): boolean {
    return this.#sessions <= 1;
  }

  /** Calls back when the connection ends; returns how to take that back. */
  onEnd(callback: () => void): () => void {
    this.#whenEnded.add(callback);
    return () => this.#whenEnded.delete(callback);
  }

  /** Takes a place for one session, to be given back by {@link giveBack}. */
  take(): void {
    this.#sessions += 1;
    this.hold();
  }

  /** Gives a place back. */
  giveBack(): void {
    this.#sessions -= 1;
    this.release();
    this.#endIfRetired();
    this.onChange();
  }

  /** Keeps this process alive for as long as the connection stands, until {@link release}. */
  hold(): void {
    this.#holds += 1;
    if (this.#holds === 1) this.#carrier.hold();
  }

  /** Takes one {@link hold} back. */
  release(): void {
    this.#holds -= 1;
    if (this.#holds === 0) this.#carrier.release();
  }

  /**
   * Begins a session that runs one line of the login shell.
   *
   * @throws {NotStarted} The signal's reason, when that fired.
   */
  async start(line: string, signal?: AbortSignal): Promise<ClientChannel> {
    const exec = (done: OnChannel) => {
      this.#client.exec(line, done);
    };
    try {
      return await this.#openChannel(signal, exec);
    } catch (error) {
      // A server refuses sessions beyond its MaxSessions; those that run show how many it takes.
      const isFull = error instanceof NotStarted && error.reason === "refused";
      if (isFull) this.#limit = Math.max(1, this.#sessions - 1);
      throw error;
    }
  }

  /**
   * Opens a TCP connection from the far side.
   *
   * @throws {NotStarted} Also when the server forbids it or nobody answers there; its message says so. The signal's
   * reason, when that fired.
   */
  async forward(host: string, port: number, signal: AbortSignal): Promise<Duplex> {
    const channel = await this.#openChannel(signal, (done) => {
      this.#client.forwardOut("127.0.0.1", 0, host, port, done);
    });
    this.#forwards += 1;
    channel.once("close", () => {
      this.#forwards -= 1;
      this.#endIfRetired();
    });
    return channel;
  }

  /** No new sessions on this one; it ends with the last that runs. */
  retire(): void {
    this.#retired = true;
    this.#endIfRetired();
  }

  /** Ends it with all that runs on it. */
  destroy(): void {
    this.#client.end();
    this.#carrier.stream.destroy();
    this.#end();
  }

  #end(): void {
    if (!this.#open) return;
    this.#open = false;
    clearInterval(this.#ping);
    for (const callback of this.#whenEnded) callback();
    this.onChange();
  }

  #endIfRetired(): void {
    if (this.#retired && this.#sessions === 0 && this.#forwards === 0) this.destroy();
  }

  async #openChannel(signal: AbortSignal | undefined, begin: (done: OnChannel) => void): Promise<ClientChannel> {
    let isWanted = true;
    let timer: NodeJS.Timeout | undefined;
    try {
      return await abortable<ClientChannel>(signal, (resolve, reject) => {
        timer = setTimeout(() => {
          this.retire(); // what runs on it may still come to its end
          reject(new NotStarted("lost", `the server did not open a session within ${String(OPEN_MS / 1_000)} s`));
        }, OPEN_MS);
        const done: OnChannel = (error, channel) => {
          channel?.on("error", ignore).stderr.on("error", ignore);
          if (!isWanted) channel?.close();
          else if (channel === undefined) reject(this.#notStarted(error));
          else resolve(channel);
        };
        try {
          begin(done);
        } catch (error) {
          this.retire(); // ssh2 throws where the socket is closed already
          reject(new NotStarted("lost", (error as Error).message));
        }
      });
    } catch (error) {
      isWanted = false;
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  #notStarted(error: Parameters<OnChannel>[0]): NotStarted {
    const message = error?.message ?? this.reason;
    const isRefused = this.#open && (typeof error?.reason === "number" || message === "Unable to exec");
    return new NotStarted(isRefused ? "refused" : "lost", message, error?.reason === PROHIBITED);
  }

  /**
   * Asks the server for something that needs an answer: to cancel a forward that does not exist. ssh2's own keep-alive
   * would do the same, but by a timer that keeps this process alive.
   */
  #sendPing(): void {
    if (this.#sessions === 0) {
      this.#unanswered = 0;
      return;
    }
    this.#unanswered += 1;
    if (this.#unanswered > PINGS_UNANSWERED) {
      this.reason = `the other side has not answered for ${String((PING_MS * PINGS_UNANSWERED) / 1_000)} s`;
      this.destroy();
      return;
    }
    try {
      this.#client.unforwardIn("127.0.0.1", 1, () => {
        this.#unanswered = 0;
      });
    } catch (error) {
      this.reason = (error as Error).message;
      this.destroy();
    }
  }
}

function ignore(): void {
  // a channel's end is told by `close`
}
