import type { Socket } from "node:net";
import type { Duplex } from "node:stream";

/** Lets two connections be one: what comes on either goes to the other, and an end on one side is an end on the other. */
export function splice(socket: Socket, channel: Duplex): void {
  socket.setNoDelay(true); // or an echo takes 44 ms instead of 0.4
  socket.on("error", ignore).on("close", () => {
    channel.destroy();
  });
  channel.on("error", ignore).on("close", () => {
    socket.destroySoon(); // once what it still has to say is said
  });
  socket.pipe(channel).pipe(socket);
  socket.resume();
}

function ignore(): void {
  // the end is told by `close`
}
