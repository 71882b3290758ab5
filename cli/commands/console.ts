import { once } from "node:events";
import type { Command } from "commander";
import { note } from "../output";
import { openSession } from "../rooms";
import { verb } from "../verb";

const ESCAPE = 0x1d; // Ctrl-], as in telnet and virsh

/** `mayfly console`: the serial line, with both hands. */
export function consoleVerb(): Command {
  return verb(
    "console",
    "Connect to the serial console of a VM, also when SSH is dead. Ctrl-] leaves it. One at a time: a second one waits. " +
      "What it has shown before is in `mayfly logs`.",
    ["mayfly console dev"],
  )
    .argument("<name>", "the VM")
    .action(attach);
}

async function attach(name: string): Promise<void> {
  using session = await openSession("console");
  const [{ findRunningVM }, { connectConsole }] = await Promise.all([
    import("../vms/find.js"),
    import("../../provider/machines/console.js"),
  ]);
  const { id } = await findRunningVM(name, session);
  process.stdout.write(`${await session.machines.console(id)}\n`);
  const socket = await connectConsole(session.paths, id, session.signal);
  note(`connected to the console of ${name}; Ctrl-] leaves it`);
  const { stdin } = process;
  const type = (keys: Buffer) => {
    const end = keys.indexOf(ESCAPE);
    socket.write(end === -1 ? keys : keys.subarray(0, end));
    if (end !== -1) socket.end();
  };
  const leave = () => socket.end();
  session.signal.addEventListener("abort", leave, { once: true });
  if (stdin.isTTY) stdin.setRawMode(true);
  stdin.on("data", type).resume();
  socket.pipe(process.stdout, { end: false });
  try {
    await once(socket, "close");
  } finally {
    stdin.off("data", type).pause();
    if (stdin.isTTY) stdin.setRawMode(false);
    session.signal.removeEventListener("abort", leave);
  }
}
