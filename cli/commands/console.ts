import type { Command } from "commander";
import { note } from "../output";
import { openSession } from "../rooms";
import { verb } from "../verb";

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
  const [{ findRunningVM }, { connectConsole }, { joinConsole }] = await Promise.all([
    import("../vms/find.js"),
    import("../../provider/machines/console.js"),
    import("../vms/join-console.js"),
  ]);
  const { id } = await findRunningVM(name, session);
  process.stdout.write(`${await session.machines.console(id)}\n`);
  const socket = await connectConsole(session.paths, id, session.signal);
  note(`connected to the console of ${name}; Ctrl-] leaves it`);
  await joinConsole(socket, session.signal);
  session.signal.throwIfAborted(); // else it was left by Ctrl-], or has ended
}
