import { readFile } from "node:fs/promises";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { MayflyError } from "../errors";
import { abortable } from "../host/abortable";
import { NotStarted } from "./channel";
import type { SshConnection } from "./connection";
import type { Endpoint } from "./endpoint";
import { Pool } from "./pool";
import { SessionLogs } from "./session-log";
import type { Traffic } from "./traffic";
import { spell, type Forward, type Place } from "./tunnel-spec";

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 10_000;
/** Milliseconds after which one who connects is told no: a guest reboots in this time. */
const TIMES = { patience: 30_000 };

/** What a link tells its keeper. */
export interface LinkEvents {
  /** A new connection stands. */
  readonly onUp: (connection: SshConnection) => void;
  /** It broke, or could not be made; it is tried again. */
  readonly onDown: (reason: string) => void;
}

interface Waiter {
  readonly serve: (connection: SshConnection) => void;
  /** For one who wants to hear of a failure that time does not mend. */
  readonly fail?: (failure: Error) => void;
}

/** A connection that is made again whenever it breaks, until it is closed. */
export class Link {
  readonly #pool = new Pool();
  readonly #logs = new SessionLogs();
  readonly #closed = new AbortController();
  readonly #waiting = new Set<Waiter>();
  #connection: SshConnection | undefined;
  #refresh = new AbortController();
  /** Why there is no connection at the moment, as far as it is known. */
  #failure: Error | undefined;

  /** @param endpoint Where to. @param privateKeyFile Holds a newer key than the endpoint. @param times For tests. */
  constructor(
    private endpoint: Endpoint,
    private privateKeyFile: string | undefined,
    private readonly events: LinkEvents,
    private readonly times = TIMES,
  ) {
    void this.#keepUp();
  }

  /** The connection, if it stands. */
  get current(): SshConnection | undefined {
    return this.#connection;
  }

  /** Waits for a connection that stands. */
  async up(): Promise<SshConnection> {
    return this.#wait(AbortSignal.timeout(this.times.patience), false);
  }

  /**
   * The same for one who must know whether it works at all.
   *
   * @throws {MayflyError} Why it does not.
   */
  async firstUp(): Promise<SshConnection> {
    const patience = AbortSignal.timeout(this.times.patience);
    try {
      return await this.#wait(patience, true);
    } catch (error) {
      throw patience.aborted ? (this.#failure ?? error) : error;
    }
  }

  /**
   * Writes down that one goes through a forward, where this link has a log.
   *
   * @param to Where it goes.
   * @param traffic Counted while it lasts.
   * @returns How to write its end.
   */
  record(forward: Forward, listen: Place, to: Place, traffic: Traffic): () => void {
    const { log } = this.endpoint;
    if (log === undefined || this.#connection === undefined) return () => undefined;
    const what = { kind: "forward", type: forward.type, listen: spell(listen), to: spell(to) } as const;
    return this.#logs.forward(this.#connection, { ...log, resource: resourceOf(forward) }, what, traffic);
  }

  /**
   * Opens a connection from the guest to a place there. Where the link turns out to be dead, once more on a new one.
   *
   * @throws {NotStarted} When the place refuses, or the guest forbids it. A timeout when the place does not answer; the
   * link is none the worse for that.
   */
  async reach(place: Place): Promise<Duplex> {
    const connection = await this.up();
    try {
      return await this.#reachFrom(connection, place);
    } catch (error) {
      if (!(error instanceof NotStarted)) throw error;
      // Lost, though it may not know of its own end yet: its socket takes nothing any more some moments before.
      if (error.reason !== "refused") cut(connection, error);
      if (connection.isOpen) throw error;
      return await this.#reachFrom(await this.up(), place);
    }
  }

  async #reachFrom(connection: SshConnection, place: Place): Promise<Duplex> {
    const signal = AbortSignal.timeout(this.times.patience);
    if ("socket" in place) return connection.forwardToSocket(place.socket, signal);
    return connection.forward(place.address, place.port, signal);
  }

  /**
   * Logs in once by another address or key, apart from the connection that stands.
   *
   * @throws {MayflyError} Why that does not work: what goes by this link now would end with it. Not where nothing stands and
   * time may mend it.
   */
  async tryWay(endpoint: Endpoint, privateKeyFile: string | undefined): Promise<void> {
    const signal = AbortSignal.any([this.#closed.signal, AbortSignal.timeout(this.times.patience)]);
    const pool = new Pool();
    try {
      await pool.fresh(await targetOf(endpoint, privateKeyFile), signal);
    } catch (error) {
      if (isFinal(error) || this.#connection !== undefined) throw error;
    } finally {
      pool.close();
    }
  }

  /** Goes on with another address or key, at once where nothing stands. */
  change(endpoint: Endpoint, privateKeyFile: string | undefined): void {
    this.endpoint = endpoint;
    this.privateKeyFile = privateKeyFile;
    this.#refresh.abort();
    this.#refresh = new AbortController();
  }

  /** Ends it for good. */
  close(): void {
    this.#closed.abort();
    this.#refresh.abort();
    this.#pool.close();
  }

  async #wait(signal: AbortSignal, isFirst: boolean): Promise<SshConnection> {
    if (this.#connection !== undefined) return this.#connection;
    let waiter: Waiter | undefined;
    try {
      return await abortable<SshConnection>(signal, (serve, fail) => {
        waiter = isFirst ? { serve, fail } : { serve };
        this.#waiting.add(waiter);
      });
    } finally {
      if (waiter !== undefined) this.#waiting.delete(waiter);
    }
  }

  async #keepUp(): Promise<void> {
    let pause = FIRST_PAUSE_MS;
    const isClosed = () => this.#closed.signal.aborted;
    while (!isClosed()) {
      try {
        const target = await targetOf(this.endpoint, this.privateKeyFile);
        const connection = await this.#pool.fresh(target, this.#closed.signal);
        if (target.log !== undefined) this.#logs.connected(connection, target.log);
        this.#failure = undefined;
        pause = FIRST_PAUSE_MS;
        await this.#useUp(connection);
        this.events.onDown(connection.reason);
      } catch (error) {
        if (isClosed()) return;
        this.#failure = error as Error;
        if (isFinal(error)) for (const { fail } of this.#waiting) fail?.(this.#failure);
        this.events.onDown(this.#failure.message);
      }
      const awake = AbortSignal.any([this.#closed.signal, this.#refresh.signal]);
      await sleep(pause, undefined, { signal: awake }).catch(() => undefined);
      pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
    }
  }

  /** Hands a connection out until it ends. */
  async #useUp(connection: SshConnection): Promise<void> {
    connection.take(); // so that it is pinged, and keeps this process alive
    const ended = new Promise<void>((resolve) => {
      connection.onEnd(() => {
        this.#connection = undefined; // at once: nobody shall get it any more
        resolve();
      });
    });
    if (!connection.isOpen) return;
    this.#connection = connection;
    this.events.onUp(connection);
    for (const { serve } of this.#waiting) serve(connection);
    this.#waiting.clear();
    await ended;
  }
}

async function targetOf(endpoint: Endpoint, privateKeyFile: string | undefined): Promise<Endpoint> {
  const newer = privateKeyFile === undefined ? undefined : await readFile(privateKeyFile, "utf8");
  return { ...endpoint, privateKey: newer ?? endpoint.privateKey, dialErrorLimit: 1 };
}

/** Ends a connection, whatever TCP thinks: nothing but forwards runs on it, and they wait for a new one. */
function cut(connection: SshConnection, { message }: Error): void {
  connection.reason = message;
  connection.destroy();
}

/** Who asked for a forward, as other sessions name it: its owner without project and stack. */
function resourceOf({ owner }: Forward): string {
  return /^[^/]*\/[^/]*\/([^]+)$/.exec(owner)?.[1] ?? owner;
}

/** Whether it is of no use to wait: another host, another key. */
function isFinal(error: unknown): boolean {
  return (
    error instanceof MayflyError && (error.code !== "CONNECT_FAILED" || error.message.includes("refused the login"))
  );
}
