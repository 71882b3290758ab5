import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { MayflyError } from "../errors";
import { quote } from "../host/shell";
import { NotStarted } from "./channel";
import type { SshConnection } from "./connection";
import { isLoopback, isOnLoopbackOnly } from "./loopback-only";
import { greet, REPLIES } from "./socks";
import { splice } from "./splice";
import { noTraffic, type Traffic } from "./traffic";
import type { Link } from "./tunnel-link";
import { Listener } from "./tunnel-listener";
import { spell, type Forward, type Place } from "./tunnel-spec";

const RETRY_MS = 1_000;
/** For a guest to stop listening. One that does not answer stops when the connection ends, which is told without it. */
const CLOSING_MS = 3_000;

/** A forward that works, or tries to. */
export interface ActiveForward {
  /** Where it listens. */
  readonly place: Place;
  /** Whether it listens there; also while the guest is away, if it is to listen again as soon as that is back. */
  readonly isListening: boolean;
  /** A new connection to the guest stands. */
  readonly onUp: (connection: SshConnection) => void;
  /** Ends it with all that goes through it. Takes seconds at most, whatever the guest does. */
  readonly close: () => Promise<void>;
}

/** Listens on this host, and connects from the guest. */
export async function openLocal(forward: Forward, preferredPort: number, link: Link): Promise<ActiveForward> {
  const { type, host, guest } = forward;
  const onConnection = (socket: Socket) => {
    socket.on("error", ignore);
    const join: Join = (channel, to) => {
      joinTwo(socket, channel, (traffic) => link.record(forward, listener.place, to, traffic));
    };
    if (type === "dynamic" || guest === undefined) void carryWish(socket, link, join);
    else void carry(socket, link, guest, join);
  };
  const listener = await Listener.open(host, preferredPort, onConnection);
  return { place: listener.place, isListening: true, onUp: ignore, close: () => listener.close() };
}

/** Lets the guest listen, and connects from this host. */
export class RemoteForward implements ActiveForward {
  /** Where it listens. */
  place: Place;
  /** Whether it does, as far as the guest has said. */
  isListening = true;
  #isClosed = false;

  private constructor(
    private readonly forward: Forward,
    private readonly link: Link,
  ) {
    this.place = forward.guest ?? forward.host;
  }

  /**
   * Has the guest listen, over a connection that stands.
   *
   * @throws {MayflyError} `PORT_TAKEN`; `BAD_INPUT` where its SSH server may listen at its loopback only. {@link NotStarted}
   * When the guest does not answer.
   */
  static async open(
    asked: Forward,
    preferredPort: number,
    link: Link,
    connection: SshConnection,
  ): Promise<RemoteForward> {
    const forward = new RemoteForward(asked, link);
    const wanted = forward.place;
    const prefers = "port" in wanted && wanted.port === 0 && preferredPort !== 0;
    if (prefers && (await forward.#tryListen(connection, { ...wanted, port: preferredPort }))) return forward;
    try {
      await forward.#listen(connection, wanted);
      forward.isListening = true;
    } catch (error) {
      throw error instanceof NotStarted || error instanceof MayflyError ? error : taken(wanted, error as Error);
    }
    return forward;
  }

  /** One that listened before, and is to listen again as soon as the guest is there. */
  static reopen(asked: Forward, link: Link): RemoteForward {
    const forward = new RemoteForward(asked, link);
    if (link.current !== undefined) forward.onUp(link.current);
    return forward;
  }

  /** See {@link ActiveForward}. */
  onUp(connection: SshConnection): void {
    void this.#listenAgain(connection);
  }

  /** See {@link ActiveForward}. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const { current } = this.link;
    if (current === undefined) return; // what listened there went with the connection
    const over = new AbortController();
    const late = sleep(CLOSING_MS, undefined, { signal: over.signal }).catch(ignore);
    await Promise.race([this.#unlisten(current), late]);
    over.abort();
  }

  async #unlisten(connection: SshConnection): Promise<void> {
    if ("socket" in this.place) {
      await connection.unlistenOnSocket(this.place.socket).catch(ignore);
      await removeSocket(connection, this.place.socket).catch(ignore);
    } else await connection.unlisten(this.place.address, this.place.port).catch(ignore);
  }

  /** sshd may not have noticed yet that the former connection is gone, so this takes a while at times. */
  async #listenAgain(connection: SshConnection): Promise<void> {
    while (connection.isOpen && !this.#isClosed) {
      if ("socket" in this.place) await removeSocket(connection, this.place.socket).catch(ignore);
      if (await this.#tryListen(connection, this.place)) return;
      await sleep(RETRY_MS);
    }
  }

  async #tryListen(connection: SshConnection, place: Place): Promise<boolean> {
    try {
      await this.#listen(connection, place);
      this.isListening = true;
      return true;
    } catch {
      if (connection.isOpen) this.isListening = false; // else it says nothing of the guest that comes next
      return false;
    }
  }

  async #listen(connection: SshConnection, place: Place): Promise<void> {
    const { forward, link } = this;
    const begin = (traffic: Traffic) => link.record(forward, this.place, forward.host, traffic);
    const onConnection = (channel: Duplex) => void carryToHost(channel, forward.host, begin);
    if ("socket" in place) {
      await connection.listenOnSocket(place.socket, onConnection);
      this.place = place;
    } else {
      const port = await connection.listen(place.address, place.port, onConnection);
      if (!isLoopback(place.address) && (await isOnLoopbackOnly(connection, port))) {
        await connection.unlisten(place.address, port).catch(ignore);
        throw onLoopbackOnly({ address: place.address, port });
      }
      this.place = { address: place.address, port };
    }
  }
}

/** Lets what came in and a channel to a place be one. */
type Join = (channel: Duplex, to: Place) => void;

async function carry(socket: Socket, link: Link, place: Place, join: Join): Promise<void> {
  try {
    join(await link.reach(place), place);
  } catch {
    socket.resetAndDestroy(); // as a port does at which nobody listens
  }
}

async function carryWish(socket: Socket, link: Link, join: Join): Promise<void> {
  const wish = await greet(socket);
  if (wish === undefined) return;
  try {
    const place = { address: wish.host, port: wish.port };
    const channel = await link.reach(place);
    wish.answer(REPLIES.granted);
    join(channel, place);
  } catch (error) {
    const isRefused = error instanceof NotStarted && /refused/i.test(error.message);
    const isForbidden = error instanceof NotStarted && error.isForbidden;
    wish.answer(isForbidden ? REPLIES.forbidden : isRefused ? REPLIES.refused : REPLIES.failed);
  }
}

async function carryToHost(channel: Duplex, place: Place, begin: Begin): Promise<void> {
  channel.on("error", ignore);
  const where = "socket" in place ? { path: place.socket } : { host: place.address, port: place.port };
  const socket = connect({ ...where, allowHalfOpen: true });
  try {
    await once(socket, "connect");
    joinTwo(socket, channel, begin);
  } catch {
    channel.destroy();
  }
}

/** Writes down that a connection begins to go through; returns how to write its end. */
type Begin = (traffic: Traffic) => () => void;

function joinTwo(socket: Socket, channel: Duplex, begin: Begin): void {
  if (socket.destroyed) {
    channel.destroy();
    return;
  }
  const traffic = noTraffic();
  channel.once("close", begin(traffic));
  splice(socket, channel, traffic);
}

/** Removes a socket's file in the guest. */
async function removeSocket(connection: SshConnection, path: string): Promise<void> {
  const channel = await connection.start(`exec /bin/sh -c 'test ! -S "$0" || exec rm -f -- "$0"' ${quote(path)}`);
  channel.resume().end();
  await once(channel, "close");
}

function onLoopbackOnly(place: Place): MayflyError {
  return new MayflyError("BAD_INPUT", `the VM's SSH server may listen at 127.0.0.1 only, not at ${spell(place)}`, {
    evidence: "it granted the address, and listened at its loopback: its GatewayPorts is no",
    remedy: "set `GatewayPorts clientspecified` in its sshd_config and reload it, or take guestAddress 127.0.0.1",
  });
}

function taken(place: Place, cause: Error): MayflyError {
  return new MayflyError("PORT_TAKEN", `the VM's SSH server can't listen at ${spell(place)}`, {
    ...{ evidence: cause.message, cause },
    remedy:
      "take a guestPort (or a path) that nobody has there; for others than 127.0.0.1 its sshd needs GatewayPorts " +
      "clientspecified, and AllowTcpForwarding must not be off",
  });
}

function ignore(): void {
  // the other side is told by its own end
}
