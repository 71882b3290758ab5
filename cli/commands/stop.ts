import type { Command } from "commander";
import { eachOf, tellOutcome } from "../each";
import { colouredNote, note } from "../output";
import { openSession, type Session } from "../rooms";
import { CommandError } from "../trouble";
import { verbWithJson } from "../verb";

const PATIENCE = "90s"; // what systemd gives its services before it kills them

/** `mayfly stop`: the guest shuts down, the machine stays. */
export function stop(): Command {
  return verbWithJson(
    "stop",
    "Shut VMs of `mayfly run` down; `mayfly start` boots them again, with the same keys, ports and scratch disk. What a guest has " +
      "written is kept on a scratch disk (--disk), on disk images and in directories of the host; a root without --disk is in " +
      "memory, and the next start begins from the image.",
    ["mayfly stop dev", "mayfly stop --timeout 10s dev   # then its power is cut"],
  )
    .argument("<name...>", "the VMs")
    .option("--timeout <time>", "what a guest may take before its power is cut", PATIENCE)
    .action(turnOff);
}

interface StopOptions {
  readonly timeout: string;
  readonly json?: true;
}

async function turnOff(names: string[], { timeout, json }: StopOptions): Promise<void> {
  const { readDuration } = await import("../args/duration.js");
  const seconds = readDuration("--timeout", timeout);
  using session = await openSession("stop");
  const stopped = await eachOf(names, session, async (name) => {
    const { id, record } = await ownVM(name, session);
    const work = async () => session.machines.stop(id, seconds, session.signal);
    const orderly = await session.step(`Stopping ${name}`, work);
    note(
      orderly
        ? `stopped ${name}`
        : `${colouredNote("yellow", "warning:")} ${name} did not shut down in ${timeout}: its power was cut`,
    );
    return { name: record.owner.resource, id, orderly };
  });
  tellOutcome(stopped, json, stopped.done);
}

async function ownVM(name: string, session: Session) {
  const { findOwnVM } = await import("../vms/find.js");
  const found = await findOwnVM(name, session, "stopped", "mayfly restart reboots it; pulumi destroy ends it");
  const { phase, owner } = found.record;
  if (phase === "starting") throw new CommandError(`${name} is not up yet`, "wait for whoever makes it, and try again");
  if (owner.session !== undefined)
    throw new CommandError(
      `${name} goes with its session, and can't be stopped apart from it`,
      "end the session, or make it by: mayfly run -d",
    );
  return found;
}
