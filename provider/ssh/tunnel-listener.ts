import { once } from "node:events";
import { existsSync } from "node:fs";
import { lstat, rm } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import { MayflyError } from "../errors";
import { lastingPorts } from "../host/lasting-ports";
import { spell, type Place } from "./tunnel-spec";

/** A place on this host at which we listen. */
export class Listener {
  readonly #sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    /** Where it listens; never port 0. */
    readonly place: Place,
  ) {
    server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
  }

  /**
   * Listens.
   *
   * @param wanted Port 0 is a free one: `preferred` if that is still free.
   * @throws {MayflyError} `PORT_TAKEN`, or `BAD_INPUT` for a place at which this user can't listen.
   */
  static async open(wanted: Place, preferred: number, onConnection: (socket: Socket) => void): Promise<Listener> {
    // Half open: the end of a request is not the end of its answer.
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, onConnection);
    if ("socket" in wanted) {
      await removeDeadSocket(wanted.socket);
      await listen(server, { path: wanted.socket }, wanted);
      return new Listener(server, wanted);
    }
    const { address } = wanted;
    const isOpen = wanted.port === 0 && (await listenAtOne(server, address, [preferred, ...lastingPorts()]));
    if (!isOpen) await listen(server, { host: address, port: wanted.port, exclusive: true }, wanted);
    const bound = server.address();
    return new Listener(server, { address, port: typeof bound === "object" ? (bound?.port ?? 0) : 0 });
  }

  /** Stops listening, and ends what came in by it. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    const closed = once(this.server, "close");
    this.server.close();
    await closed;
  }
}

/** Listens at the first of some ports that can be had, none of which need be; 0 is none. */
async function listenAtOne(server: Server, host: string, ports: readonly number[]): Promise<boolean> {
  for (const port of ports) {
    if (port === 0) continue;
    try {
      await listen(server, { host, port, exclusive: true }, { address: host, port });
      return true;
    } catch {
      // the next one may be free
    }
  }
  return false;
}

async function listen(
  server: Server,
  options: { host: string; port: number; exclusive: boolean } | { path: string },
  place: Place,
): Promise<void> {
  try {
    server.listen(options);
    await once(server, "listening");
  } catch (cause) {
    throw cannotListen(place, cause as NodeJS.ErrnoException);
  }
}

/** A socket that nobody listens at any more is what a process leaves that was killed. */
async function removeDeadSocket(path: string): Promise<void> {
  const seen = await lstat(path).catch(() => undefined);
  if (seen?.isSocket() !== true) return;
  const socket = connect(path);
  try {
    await once(socket, "connect");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ECONNREFUSED") await rm(path, { force: true });
  } finally {
    socket.destroy();
  }
}

function cannotListen(place: Place, cause: NodeJS.ErrnoException): MayflyError {
  const name = spell(place);
  if (cause.code === "EADDRINUSE") {
    const who = "socket" in place ? `ls -l ${name}; ss -xlp` : `ss -ltnp 'sport = :${String(place.port)}'`;
    return new MayflyError("PORT_TAKEN", `${name} is taken on this host`, {
      ...{ evidence: cause.message, cause },
      remedy: `see by whom (${who}), or take another hostPort; 0 finds a free one`,
    });
  }
  if ("socket" in place && !existsSync(dirname(place.socket))) {
    return new MayflyError("BAD_INPUT", `the folder of the socket ${name} does not exist`, {
      ...{ evidence: cause.message, cause },
      remedy: `make one that only you can enter: mkdir -p -m 700 '${dirname(place.socket)}'`,
    });
  }
  return new MayflyError("BAD_INPUT", `this user can't listen at ${name}`, {
    ...{ evidence: cause.message, cause },
    remedy: "take an address of this host, a port from 1024 on, or a socket in a folder of yours with a shorter path",
  });
}
