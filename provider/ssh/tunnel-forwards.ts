import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { MayflyError } from "../errors";
import { quote } from "../host/shell";
import { NotStarted } from "./channel";
import type { SshConnection } from "./connection";
import { greet, REPLIES } from "./socks";
import { splice } from "./splice";
import type { Link } from "./tunnel-link";
import { Listener } from "./tunnel-listener";
import { spell, type Forward, type Place } from "./tunnel-spec";

const RETRY_MS = 1_000;

/** A forward that works, or tries to. */
export interface ActiveForward {
  /** Where it listens. */
  readonly place: Place;
  /** A new connection to the guest stands. */
  readonly onUp: (connection: SshConnection) => void;
  /** Ends it with all that goes through it. */
  readonly close: () => Promise<void>;
}

/** Listens on this host, and connects from the guest. */
export async function openLocal(
  { type, host, guest }: Forward,
  preferredPort: number,
  link: Link,
): Promise<ActiveForward> {
  const onConnection = (socket: Socket) => {
    socket.on("error", ignore);
    if (type === "dynamic" || guest === undefined) void carryWish(socket, link);
    else void carry(socket, link, guest);
  };
  const listener = await Listener.open(host, preferredPort, onConnection);
  return { place: listener.place, onUp: ignore, close: () => listener.close() };
}

/** Lets the guest listen, and connects from this host. */
export class RemoteForward implements ActiveForward {
  /** Where it listens. */
  place: Place;
  #isClosed = false;

  private constructor(
    place: Place,
    private readonly host: Place,
    private readonly link: Link,
  ) {
    this.place = place;
  }

  /**
   * Waits for the guest, and says where it listens there.
   *
   * @throws {MayflyError} `PORT_TAKEN`, or why there is no connection.
   */
  static async open({ host, guest }: Forward, preferredPort: number, link: Link): Promise<RemoteForward> {
    const wanted = guest ?? host;
    const forward = new RemoteForward(wanted, host, link);
    const connection = await link.firstUp();
    const prefers = "port" in wanted && wanted.port === 0 && preferredPort !== 0;
    if (prefers && (await forward.#tryListen(connection, { ...wanted, port: preferredPort }))) return forward;
    try {
      await forward.#listen(connection, wanted);
    } catch (error) {
      throw taken(wanted, error as Error);
    }
    return forward;
  }

  /** One that listened before, and is to listen again as soon as the guest is there. */
  static reopen({ host, guest }: Forward, link: Link): RemoteForward {
    const forward = new RemoteForward(guest ?? host, host, link);
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
    if ("socket" in this.place) {
      await current.unlistenOnSocket(this.place.socket).catch(ignore);
      await removeSocket(current, this.place.socket).catch(ignore);
    } else await current.unlisten(this.place.address, this.place.port).catch(ignore);
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
      return true;
    } catch {
      return false;
    }
  }

  async #listen(connection: SshConnection, place: Place): Promise<void> {
    const onConnection = (channel: Duplex) => void carryToHost(channel, this.host);
    if ("socket" in place) {
      await connection.listenOnSocket(place.socket, onConnection);
      this.place = place;
    } else {
      const port = await connection.listen(place.address, place.port, onConnection);
      this.place = { address: place.address, port };
    }
  }
}

async function carry(socket: Socket, link: Link, place: Place): Promise<void> {
  try {
    join(socket, await link.reach(place));
  } catch {
    socket.resetAndDestroy(); // as a port does at which nobody listens
  }
}

async function carryWish(socket: Socket, link: Link): Promise<void> {
  const wish = await greet(socket);
  if (wish === undefined) return;
  try {
    const channel = await link.reach({ address: wish.host, port: wish.port });
    wish.answer(REPLIES.granted);
    join(socket, channel);
  } catch (error) {
    const isRefused = error instanceof NotStarted && /refused/i.test(error.message);
    const isForbidden = error instanceof NotStarted && error.isForbidden;
    wish.answer(isForbidden ? REPLIES.forbidden : isRefused ? REPLIES.refused : REPLIES.failed);
  }
}

async function carryToHost(channel: Duplex, place: Place): Promise<void> {
  channel.on("error", ignore);
  const where = "socket" in place ? { path: place.socket } : { host: place.address, port: place.port };
  const socket = connect({ ...where, allowHalfOpen: true });
  try {
    await once(socket, "connect");
    join(socket, channel);
  } catch {
    channel.destroy();
  }
}

function join(socket: Socket, channel: Duplex): void {
  if (socket.destroyed) channel.destroy();
  else splice(socket, channel);
}

/** Removes a socket's file in the guest. */
async function removeSocket(connection: SshConnection, path: string): Promise<void> {
  const channel = await connection.start(`exec /bin/sh -c 'test ! -S "$0" || exec rm -f -- "$0"' ${quote(path)}`);
  channel.resume().end();
  await once(channel, "close");
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
