import { MayflyError } from "../errors";
import { abortable } from "../host/abortable";
import { NotStarted } from "./channel";
import { SshConnection } from "./connection";
import { dial, openSocket, type Carrier, type DialOptions, type Waiting } from "./dial";
import { FinalDialError, unreachable } from "./dial-error";
import { identify, identifyServer, nameOf, type Endpoint, type Hop } from "./endpoint";
import { Patience } from "./patience";

/**
 * When all sessions of a server are taken and none has become free for this long, another connection is opened. Under
 * emulation a connection costs half a second of the guest's time, so a burst of short commands had better wait.
 */
const STALLED_MS = 300;
const MOST_CONNECTIONS = 16; // 128 commands at a time on one server

interface Waiter {
  readonly serve: (connection: SshConnection) => void;
  readonly fail: (error: Error) => void;
  /** Attempts and their times are the waiter's own; others may wait with less, or more. */
  readonly patience: Patience;
}

/** A way to a server, and how to dial there. */
type Dialling = { readonly endpoint: Endpoint } & Pick<DialOptions, "signal" | "retryRefused" | "waiting">;

/** All connections to one server as one user. */
interface Target {
  readonly endpoint: Endpoint;
  readonly connections: Set<SshConnection>;
  readonly waiters: Set<Waiter>;
  /** Ends the dialling that is under way; there is never more than one, for the sake of sshd's MaxStartups. */
  dialling: AbortController | undefined;
  /** What its present attempt may take, in seconds; 0 for no limit, `undefined` where there is none. */
  attemptSeconds: number | undefined;
  stalled: NodeJS.Timeout | undefined;
  /** Forgotten while a connection to it was under way. */
  isEnded: boolean;
}

/** Connections that live as long as this process, shared by all who talk to the same server as the same user. */
export class Pool {
  readonly #targets = new Map<string, Target>();

  /**
   * A connection with a place for one session, already taken: to be given back by {@link SshConnection.giveBack}.
   *
   * @throws {MayflyError} `CONNECT_FAILED`, `HOST_KEY_MISMATCH`, `BAD_KEY`; the signal's reason when that fired.
   */
  async session(endpoint: Endpoint, signal: AbortSignal): Promise<SshConnection> {
    signal.throwIfAborted();
    const target = this.#target(endpoint);
    const free = [...target.connections].find(({ hasRoom }) => hasRoom);
    if (free !== undefined && target.waiters.size === 0) {
      free.take();
      return free;
    }
    return this.#wait(target, endpoint, signal);
  }

  /** A new connection, which then stays for others. No session is taken. */
  async fresh(endpoint: Endpoint, signal: AbortSignal, retryRefused = false): Promise<SshConnection> {
    return this.#add(this.#target(endpoint), { endpoint, signal, retryRefused });
  }

  /** Ends all connections to a server: it is gone. */
  forget(hop: Hop): void {
    const server = identifyServer(hop);
    for (const [name, target] of this.#targets) if (identifyServer(target.endpoint) === server) this.#end(name, target);
  }

  /** Ends all connections. */
  close(): void {
    for (const [name, target] of this.#targets) this.#end(name, target);
  }

  #target(endpoint: Endpoint): Target {
    const name = identify(endpoint);
    const known = this.#targets.get(name);
    if (known !== undefined) return known;
    const target: Target = {
      endpoint,
      connections: new Set(),
      waiters: new Set(),
      dialling: undefined,
      attemptSeconds: undefined,
      stalled: undefined,
      isEnded: false,
    };
    this.#targets.set(name, target);
    return target;
  }

  async #wait(target: Target, hop: Hop, signal: AbortSignal): Promise<SshConnection> {
    let waiter: Waiter | undefined;
    const leave = () => {
      if (waiter !== undefined) target.waiters.delete(waiter); // at once: a place that it got now would be lost
      waiter?.patience[Symbol.dispose]();
      if (target.waiters.size === 0) target.dialling?.abort(new Error("nobody waits for it any more"));
    };
    signal.addEventListener("abort", leave, { once: true });
    try {
      return await abortable<SshConnection>(signal, (serve, fail) => {
        const patience = new Patience(hop, (error) => {
          if (target.connections.size > 0) return; // there is somebody to wait for
          fail(error);
          leave();
        });
        waiter = { serve, fail, patience };
        target.waiters.add(waiter);
        if (target.attemptSeconds !== undefined) patience.begin(target.attemptSeconds);
        this.#settle(target);
      });
    } finally {
      signal.removeEventListener("abort", leave);
      leave();
    }
  }

  /** Hands out what is free, and sees to it that whoever still waits gets something. */
  #settle(target: Target): void {
    let served = false;
    for (const connection of target.connections) {
      if (!connection.isOpen) target.connections.delete(connection);
      for (const waiter of target.waiters) {
        if (!connection.hasRoom) break;
        target.waiters.delete(waiter);
        connection.take();
        waiter.serve(connection);
        served = true;
      }
    }
    if (target.waiters.size === 0 || served) {
      clearTimeout(target.stalled);
      target.stalled = undefined;
    }
    if (target.waiters.size === 0) return;
    if (target.connections.size === 0) void this.#dialForWaiters(target);
    else this.#watchForStall(target);
  }

  #watchForStall(target: Target): void {
    if (target.stalled !== undefined || target.connections.size >= MOST_CONNECTIONS) return;
    target.stalled = setTimeout(() => {
      target.stalled = undefined;
      void this.#dialForWaiters(target);
    }, STALLED_MS);
  }

  async #dialForWaiters(target: Target): Promise<void> {
    if (target.dialling !== undefined) return;
    const controller = new AbortController();
    target.dialling = controller;
    const waiting: Waiting = {
      begin: () => {
        const seconds = Patience.longest([...target.waiters].map(({ patience }) => patience));
        for (const { patience } of target.waiters) patience.begin(seconds);
        target.attemptSeconds = seconds;
        return seconds;
      },
      failed: (error) => {
        target.attemptSeconds = undefined;
        for (const { patience } of [...target.waiters]) patience.failed(error);
      },
    };
    try {
      await this.#add(target, { endpoint: target.endpoint, signal: controller.signal, waiting });
    } catch (error) {
      const isInVain = !controller.signal.aborted && target.connections.size === 0;
      if (isInVain) failAll(target, error as Error);
    } finally {
      target.dialling = undefined;
      target.attemptSeconds = undefined;
    }
    this.#settle(target);
  }

  async #add(target: Target, { endpoint, ...options }: Dialling): Promise<SshConnection> {
    const open = async (attempt: AbortSignal) =>
      endpoint.proxy === undefined
        ? openSocket(endpoint, attempt)
        : this.#openThrough(endpoint.proxy, endpoint, attempt);
    const dialled = await dial(endpoint, { open, ...options });
    const connection = new SshConnection(dialled, () => {
      this.#settle(target);
    });
    if (target.isEnded) connection.destroy(); // its users learn by themselves
    target.connections.add(connection);
    this.#settle(target);
    return connection;
  }

  /** The same one hop further: a channel of a pooled connection to the proxy takes the place of the socket. */
  async #openThrough(proxy: Hop, { host, port = 22 }: Hop, signal: AbortSignal): Promise<Carrier> {
    const carrier = await this.session(proxy, signal);
    try {
      const stream = await carrier.forward(host, port, signal);
      const hold = () => {
        carrier.hold();
      };
      const release = () => {
        carrier.release();
      };
      hold(); // as a socket does, until the connection on it is handed over
      return { stream, hold, release };
    } catch (error) {
      if (error instanceof NotStarted && error.isForbidden) throw new FinalDialError(forbidden(proxy, error));
      throw error;
    } finally {
      carrier.giveBack();
    }
  }

  #end(name: string, target: Target): void {
    this.#targets.delete(name);
    target.isEnded = true;
    const ended = new MayflyError("CONNECT_FAILED", `the connections to ${nameOf(target.endpoint)} were closed`, {
      remedy: "the machine is being removed, or this program ends; run again if neither was meant",
    });
    failAll(target, ended);
    target.dialling?.abort(ended);
    for (const connection of target.connections) connection.destroy();
  }
}

function failAll({ waiters }: Target, error: Error): void {
  for (const waiter of waiters) waiter.fail(error);
  waiters.clear(); // at once: whoever settles next must not dial for them
}

function forbidden(proxy: Hop, error: Error): MayflyError {
  return unreachable(proxy, 1, 0, new Error(`it forbids going through it (AllowTcpForwarding): ${error.message}`));
}
