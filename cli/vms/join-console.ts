import { once } from "node:events";
import type { Socket } from "node:net";

const ESCAPE = 0x1d; // Ctrl-], as in telnet and virsh

const LEAVING_MS = 500; // for what was typed last

/** Joins a machine's console and this process's terminal, until the console ends or Ctrl-] is pressed. */
export async function joinConsole(socket: Socket, signal: AbortSignal): Promise<void> {
  const { stdin } = process;
  const type = (keys: Buffer) => {
    if (socket.writableEnded) return;
    const end = keys.indexOf(ESCAPE);
    socket.write(end === -1 ? keys : keys.subarray(0, end));
    if (end !== -1) leave();
  };
  // A QEMU that has not taken this connection, as it is another's turn, or that is stopped, does not close it.
  const leave = () => {
    socket.end();
    setTimeout(() => socket.destroy(), LEAVING_MS).unref();
  };
  signal.addEventListener("abort", leave, { once: true });
  if (stdin.isTTY) stdin.setRawMode(true);
  stdin.on("data", type).resume();
  socket.pipe(process.stdout, { end: false });
  try {
    await once(socket, "close");
  } finally {
    stdin.off("data", type).pause();
    if (stdin.isTTY) stdin.setRawMode(false);
    signal.removeEventListener("abort", leave);
  }
}
