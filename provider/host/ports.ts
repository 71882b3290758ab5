import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { run } from "./run";

/** A port of this host, as one listens on it. */
export interface HostPort {
  readonly hostAddress: string;
  /** 0 stands for any: then only the address is looked at. */
  readonly host: number;
  readonly protocol: "tcp" | "udp";
}

/**
 * Why a port cannot be listened on: `taken by nginx (pid 12)`; `undefined` when it can. Listens on it for a moment,
 * which is the only answer that counts for addresses, rights and other listeners alike.
 */
export async function portProblem(port: HostPort, signal: AbortSignal): Promise<string | undefined> {
  try {
    await (port.protocol === "tcp" ? listenTcp(port) : listenUdp(port));
    return undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EADDRINUSE") return `is taken${await holder(port, signal)}`;
    if (code === "EADDRNOTAVAIL") return `cannot be: ${port.hostAddress} is no address of this host`;
    if (code === "EACCES") return "needs root's rights: ports below 1024 do";
    throw error;
  }
}

async function listenTcp({ hostAddress, host }: HostPort): Promise<void> {
  const server = createServer();
  server.listen({ host: hostAddress, port: host, exclusive: true });
  await once(server, "listening"); // rejects on "error"
  server.close();
  await once(server, "close");
}

async function listenUdp({ hostAddress, host }: HostPort): Promise<void> {
  const socket = createSocket("udp4");
  socket.bind({ address: hostAddress, port: host, exclusive: true });
  try {
    await once(socket, "listening");
  } finally {
    socket.close();
  }
}

/** Who has it, as far as this user may know. */
async function holder({ host, protocol }: HostPort, signal: AbortSignal): Promise<string> {
  const args = ["--no-header", "--listening", "--numeric", "--processes", `--${protocol}`, `sport = :${String(host)}`];
  const line = await run("ss", args, { signal }).catch(() => "?"); // not installed, or an old one
  if (line === "") return " by a connection that was closed just now; it is free within a minute";
  const [, program, pid] = /users:\(\("([^"]+)",pid=(\d+)/.exec(line) ?? [];
  return program === undefined || pid === undefined ? "" : ` by ${program} (pid ${pid})`;
}
