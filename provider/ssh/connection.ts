import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { Client, ClientChannel, SFTPWrapper } from "ssh2";
import type { Reader } from "./bootstrap";
import { NotStarted, openChannel, type AnyChannel, type OnChannel } from "./channel";
import type { Dialled } from "./dial";
import { keepAlive, ping } from "./keep-alive";

/** sshd allows 10 sessions on a connection by default (MaxSessions); two stay free for ending a command that hangs. */
const SESSIONS = 8;
/** A server that does not even open a session within this time, or that of so many logins, is not used for new ones. */
const OPEN_MS = 10_000;
const OPEN_LOGINS = 4;
/** A place behind the server answers sooner, also from a guest that is busy; after this the server itself is doubted. */
const DOUBT_MS = 3_000;

/** Takes a connection that came in on the far side. */
type OnConnection = (connection: Duplex) => void;

/** One SSH connection with its sessions. Idle, it does not keep this process alive. */
export class SshConnection {
  /** How the login shell there takes programs, as far as we know. */
  reader: Reader = "block";
  /** Why it ended, once it has. */
  reason = "it was closed";
  /** Where it leads: `root@127.0.0.1:2222`. */
  readonly to: string;
  /** What the server has let us in by: a key's fingerprint, or `password`. */
  readonly proof: string | undefined;
  /** When the login was done. */
  readonly since = new Date();
  #sessions = 0;
  #limit = SESSIONS;
  #forwards = 0;
  #holds = 0;
  #open = true;
  #retired = false;
  /** See {@link OPEN_MS}: a guest that starts together with twenty others may take that long for a session. */
  readonly #openMs: number;
  readonly #client: Client;
  readonly #carrier: Dialled["carrier"];
  readonly #keepAlive: Disposable;
  readonly #whenEnded = new Set<() => void>();
  readonly #listeners = new Map<string, OnConnection>();
  /** Fires when the server was found not to answer: for all who wait for a place behind it. */
  readonly #silent = new AbortController();

  /** @param onChange Called when a session has become free, and when the connection has ended. */
  constructor(
    { client, carrier, to, proof, took }: Dialled,
    private readonly onChange: () => void,
  ) {
    this.to = to;
    this.proof = proof;
    this.#openMs = Math.max(OPEN_MS, OPEN_LOGINS * took);
    this.#client = client;
    this.#carrier = carrier;
    this.#keepAlive = keepAlive(client, {
      isUsed: () => this.#sessions > 0,
      onDead: (reason) => {
        this.reason = reason;
        this.destroy();
      },
    });
    client
      .on("error", (error: Error) => {
        this.reason = error.message;
      })
      .on("close", () => {
        this.#end();
      })
      .on("tcp connection", ({ destIP, destPort }, accept, reject) => {
        this.#accept(`${destIP}:${String(destPort)}`, accept, reject);
      })
      .on("unix connection", ({ socketPath }, accept, reject) => {
        this.#accept(socketPath, accept, reject);
      });
    carrier.release();
    if (carrier.stream.destroyed || !carrier.stream.writable) this.#end(); // it ended before anybody listened
  }

  /** Whether it still stands. */
  get isOpen(): boolean {
    return this.#open;
  }

  /** Bytes so far, with all that SSH adds; unknown through a proxy. */
  get traffic(): { readonly bytesSent?: number; readonly bytesReceived?: number } {
    const { stream } = this.#carrier;
    return stream instanceof Socket ? { bytesSent: stream.bytesWritten, bytesReceived: stream.bytesRead } : {};
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
    return () => void this.#whenEnded.delete(callback);
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
    return this.#openSession(signal, (done) => {
      this.#client.exec(line, done);
    });
  }

  /**
   * Begins a session with the server's SFTP subsystem. Its user ends it.
   *
   * @throws {NotStarted} Also when the server has no SFTP; its message says so. The signal's reason, when that fired.
   */
  async sftp(signal: AbortSignal): Promise<SFTPWrapper> {
    return this.#openSession<SFTPWrapper>(signal, (done) => {
      this.#client.sftp(done);
    });
  }

  /**
   * Opens a TCP connection from the far side. It takes as long as the place takes to answer, a server's word coming no
   * sooner: the signal has to end it. Only where the server itself does not answer any more it ends before.
   *
   * @throws {NotStarted} Also when the server forbids it or nobody answers there; its message says so. `silent`: the
   * server does not answer; the connection is retired. The signal's reason, when that fired.
   */
  async forward(host: string, port: number, signal: AbortSignal): Promise<Duplex> {
    return this.#openForward(signal, (done) => {
      this.#client.forwardOut("127.0.0.1", 0, host, port, done);
    });
  }

  /**
   * Opens a connection to a unix socket on the far side.
   *
   * @throws {NotStarted} As {@link forward}.
   */
  async forwardToSocket(path: string, signal: AbortSignal): Promise<Duplex> {
    return this.#openForward(signal, (done) => {
      this.#client.openssh_forwardOutStreamLocal(path, done);
    });
  }

  /**
   * Lets the far side listen for us; port 0 is a free one there.
   *
   * @param onConnection Gets each connection that comes in there.
   * @returns The port.
   * @throws {Error} When it is taken there, or forbidden.
   */
  async listen(address: string, port: number, onConnection: OnConnection): Promise<number> {
    const begin = (done: (error?: Error | null, taken?: number) => void) => {
      this.#client.forwardIn(address, port, done);
    };
    const taken = await this.#ask<number>(begin, (late) => void this.unlisten(address, late).catch(() => undefined));
    this.#listeners.set(`${address}:${String(taken)}`, onConnection);
    return taken;
  }

  /** The same with a unix socket. */
  async listenOnSocket(path: string, onConnection: OnConnection): Promise<void> {
    const begin = (done: (error?: Error | null) => void) => {
      this.#client.openssh_forwardInStreamLocal(path, done);
    };
    await this.#ask(begin, () => void this.unlistenOnSocket(path).catch(() => undefined));
    this.#listeners.set(path, onConnection);
  }

  /** Ends what {@link listen} began. */
  async unlisten(address: string, port: number): Promise<void> {
    this.#listeners.delete(`${address}:${String(port)}`);
    await this.#ask((done) => {
      this.#client.unforwardIn(address, port, done);
    });
  }

  /** Ends what {@link listenOnSocket} began. */
  async unlistenOnSocket(path: string): Promise<void> {
    this.#listeners.delete(path);
    await this.#ask((done) => {
      this.#client.openssh_unforwardInStreamLocal(path, done);
    });
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
    this.#keepAlive[Symbol.dispose]();
    for (const callback of this.#whenEnded) callback();
    this.onChange();
  }

  #endIfRetired(): void {
    if (this.#retired && this.#sessions === 0 && this.#forwards === 0) this.destroy();
  }

  async #openForward(signal: AbortSignal, begin: (done: OnChannel) => void): Promise<Duplex> {
    const answered = new AbortController();
    void this.#doubt(answered.signal);
    try {
      const channel = await this.#openChannel(AbortSignal.any([signal, this.#silent.signal]), begin, undefined);
      answered.abort();
      return this.#countForward(channel);
    } catch (error) {
      // Whoever waited may have had less patience than a doubt takes; the next one is not to wait for the same.
      if (!signal.aborted) answered.abort();
      throw error;
    }
  }

  /**
   * A server is as silent while a place does not answer as when it is gone itself: so it is asked after a while. One that
   * does not answer gets nothing new, as where it opens no session; what runs on it, its pings decide about.
   */
  async #doubt(answered: AbortSignal): Promise<void> {
    await sleep(DOUBT_MS, undefined, { signal: answered, ref: false }).catch(() => undefined);
    if (answered.aborted || !this.#open) return;
    const pinged = this.#ask((done) => {
      ping(this.#client, () => {
        done(); // a refusal is an answer, too
      });
    });
    await pinged.catch((error: unknown) => {
      if (answered.aborted) return; // it did answer
      this.retire();
      this.#silent.abort(new NotStarted("silent", (error as Error).message));
    });
  }

  #countForward(channel: Duplex): Duplex {
    this.#forwards += 1;
    return channel.once("close", () => {
      this.#forwards -= 1;
      this.#endIfRetired();
    });
  }

  /**
   * Asks something of the server as a whole, and waits for the answer, as long as for a session.
   *
   * @param undo Takes back what was granted after that.
   * @throws {NotStarted} When none comes, or the connection ends. {@link Error} What the server says against it.
   */
  async #ask<T = undefined>(
    begin: (done: (error?: Error | null, answer?: T) => void) => void,
    undo: (answer: T) => void = () => undefined,
  ): Promise<T> {
    let isWanted = true;
    let timer: NodeJS.Timeout | undefined;
    let forget = (): void => undefined;
    try {
      return await new Promise<T>((resolve, reject) => {
        timer = setTimeout(() => {
          reject(new NotStarted("lost", `the server did not answer within ${(this.#openMs / 1_000).toFixed(0)} s`));
        }, this.#openMs).unref();
        forget = this.onEnd(() => {
          reject(new NotStarted("lost", this.reason));
        });
        begin((error, answer) => {
          if (error) reject(error);
          else if (isWanted) resolve(answer as T);
          else undo(answer as T);
        });
      });
    } finally {
      isWanted = false;
      clearTimeout(timer);
      forget();
    }
  }

  /** Hands on a connection that came in on the far side. */
  #accept(name: string, accept: () => Duplex, reject: () => void): void {
    const onConnection = this.#listeners.get(name);
    if (onConnection === undefined) reject();
    else onConnection(this.#countForward(accept()));
  }

  async #openSession<T extends AnyChannel = ClientChannel>(
    signal: AbortSignal | undefined,
    begin: (done: OnChannel<T>) => void,
  ): Promise<T> {
    try {
      return await this.#openChannel(signal, begin, this.#openMs);
    } catch (error) {
      // A server refuses sessions beyond its MaxSessions; those that run show how many it takes. One stays free.
      const isFull = error instanceof NotStarted && error.reason === "refused" && !error.isForbidden;
      if (isFull) this.#limit = Math.max(1, this.#sessions - 2);
      throw error;
    }
  }

  async #openChannel<T extends AnyChannel = ClientChannel>(
    signal: AbortSignal | undefined,
    begin: (done: OnChannel<T>) => void,
    patience: number | undefined,
  ): Promise<T> {
    try {
      return await openChannel(begin, patience, signal);
    } catch (error) {
      if (!(error instanceof NotStarted)) throw error;
      if (error.reason !== "refused") this.retire(); // what runs on it may still come to its end
      throw this.#open ? error : new NotStarted("lost", error.message || this.reason);
    }
  }
}
