import type { Socket } from "node:net";

/**
 * Has a connected socket send together what is written in one go. ssh2 writes a packet in three or four parts, each of
 * which would be a system call of ours, and a packet of its own on the way. Not by a subclass: `connect` puts Node's own
 * `write` back into its place.
 */
export function gatherWrites(socket: Socket): void {
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
  socket.write = (...args: unknown[]) => {
    if (socket.writableCorked === 0) {
      socket.cork();
      process.nextTick(() => {
        socket.uncork();
      });
    }
    return write(...args);
  };
}
