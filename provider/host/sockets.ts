import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { once } from "node:events";
import { connect, createServer, Socket, type Server } from "node:net";
import { join } from "node:path";

/**
 * Connects to a unix socket in a folder whose path may be longer than the 107 bytes that the kernel allows for a
 * socket's (unix(7)): through `/proc/self/fd`, which names an open folder in a few bytes.
 */
export async function connectInFolder(folder: string, name: string, signal: AbortSignal): Promise<Socket> {
  const descriptor = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const socket = connect(`/proc/self/fd/${String(descriptor)}/${name}`);
    try {
      await once(socket, "connect", { signal });
    } catch (error) {
      socket.destroy();
      throw error;
    }
    return socket;
  } finally {
    closeSync(descriptor);
  }
}

/** Listens on a unix socket in a folder with a path of any length, as {@link connectInFolder}. The caller closes it. */
export async function listenInFolder(folder: string, name: string): Promise<Server> {
  const descriptor = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const server = createServer();
    server.listen(`/proc/self/fd/${String(descriptor)}/${name}`);
    await once(server, "listening");
    return server;
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Opens a named pipe without waiting for the other end, and without taking one of Node's few file threads. Opened both
 * ways, as Linux allows (fifo(7)): so it neither fails nor ends while nobody else has it open. Throws where there is
 * something else than a pipe, such as a link: the folder is open to the other end, which may mean no good.
 */
export function openPipe(folder: string, name: string, direction: "read" | "write"): Socket {
  const path = join(folder, name);
  const descriptor = openSync(path, constants.O_RDWR | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  if (!fstatSync(descriptor).isFIFO()) {
    closeSync(descriptor);
    throw new Error(`${path} is no pipe: the machine's container has replaced it`);
  }
  return new Socket({ fd: descriptor, readable: direction === "read", writable: direction === "write" });
}
