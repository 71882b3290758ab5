import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";

/** A TCP server that accepts and then does whatever a test wants of it. */
export class RawServer implements AsyncDisposable {
  /** How many connections it has accepted. */
  accepted = 0;
  readonly #sockets = new Set<Socket>();

  private constructor(private readonly server: Server) {}

  /** @param onSocket What to do with a connection; by default nothing, ever: the port of a machine that hangs. */
  static async start(onSocket: (socket: Socket) => void = () => undefined): Promise<RawServer> {
    const server = createServer();
    const raw = new RawServer(server);
    server.on("connection", (socket) => {
      raw.accepted += 1;
      raw.#sockets.add(socket.on("error", () => undefined));
      onSocket(socket);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return raw;
  }

  /** Where it listens. */
  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.server.close();
    await once(this.server, "close");
  }
}
