import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";

/** A service of the host, on all its addresses. */
export async function listenEverywhere(): Promise<AsyncDisposable & { readonly port: number }> {
  const server = createServer((socket) => socket.end()).listen(0, "0.0.0.0");
  await once(server, "listening");
  const close = async () => {
    server.close();
    await once(server, "close");
  };
  return { port: (server.address() as AddressInfo).port, [Symbol.asyncDispose]: close };
}
