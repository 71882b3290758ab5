import { setTimeout as sleep } from "node:timers/promises";
import { Option, type Command } from "commander";
import { EXIT } from "../exit-codes";
import { openSession, type Session } from "../rooms";
import { note, printJson } from "../output";
import { verbWithJson } from "../verb";

interface WaitOptions {
  readonly for: "ended" | "running";
  readonly timeout?: string;
  readonly json?: true;
}

const LOOK_MS = 200; // at a file and a process: takes microseconds

/** `mayfly wait`: until a VM is up, or has ended. */
export function wait(): Command {
  return verbWithJson(
    "wait",
    "Wait until VMs have ended, or until they are up. Ends with 124 when time was up before.",
    ["mayfly wait dev", "mayfly wait dev --for running --timeout 2m"],
  )
    .argument("<name...>", "the VMs; to wait for one that is not there yet, use --for running")
    .addOption(new Option("--for <state>", "what to wait for").choices(["ended", "running"]).default("ended"))
    .option("--timeout <time>", "longest wait: 90s, 5m (default: none)")
    .action(waitFor);
}

async function waitFor(names: string[], { for: state, timeout, json }: WaitOptions): Promise<void> {
  using session = await openSession("wait");
  const deadline = timeout === undefined ? Infinity : performance.now() + (await milliseconds(timeout));
  const { findVM } = await import("../vms/find.js");
  if (state === "ended") for (const name of names) await findVM(name, session); // else a slip would look like an end
  if (!(await areAll(state, names, session, deadline))) {
    note(`time is up, and not all are ${state}: ${names.join(", ")}`);
    process.exitCode = EXIT.timeout;
  }
  if (json === true) printJson(await statesOf(names, session));
}

/** Waits until all are so; `false` when time was up before. @param deadline As `performance.now()` has it. */
async function areAll(
  state: WaitOptions["for"],
  names: readonly string[],
  session: Session,
  deadline: number,
): Promise<boolean> {
  for (const name of names)
    while (!(await isSo(state, name, session))) {
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) return false;
      await sleep(Math.min(LOOK_MS, leftMs), undefined, { signal: session.signal });
    }
  return true;
}

/** How it is with each now; one that is gone has ended. */
async function statesOf(names: readonly string[], session: Session): Promise<{ name: string; state: string }[]> {
  const [{ lookUpVM }, { describeVM }] = await Promise.all([import("../vms/find.js"), import("../vms/describe.js")]);
  const states = names.map(async (name) => {
    const vm = await lookUpVM(name, session);
    return { name, state: vm === undefined ? "ended" : (await describeVM(vm, session)).state };
  });
  return Promise.all(states);
}

async function milliseconds(timeout: string): Promise<number> {
  const { readDuration } = await import("../args/duration.js");
  return Math.ceil(readDuration("--timeout", timeout) * 1_000);
}

/**
 * Whether a VM is up as `run -d` means it, where one has logged in; or has ended, or is gone. One that is being made, started
 * or stopped is neither.
 */
async function isSo(state: WaitOptions["for"], name: string, session: Session): Promise<boolean> {
  const { lookUpVM } = await import("../vms/find.js");
  const vm = await lookUpVM(name, session);
  if (vm === undefined) return state === "ended";
  const { id, record } = vm;
  if (await session.machines.isBeingTurned(id)) return false; // before the look at its qemu, which is there when that is over
  const isAlive = await session.machines.isAlive(id);
  if (record.phase !== "starting") return isAlive === (state === "running");
  const { isAlive: lives } = await import("../../provider/host/process-identity.js");
  return state === "ended" && !isAlive && !lives(record.madeBy); // nobody finishes it any more
}
