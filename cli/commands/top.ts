import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { eachOf, tellOutcome, type Outcome } from "../each";
import { bytes, percent, renderTable, size } from "../output";
import { openSession, type Session } from "../rooms";
import { SomeFailed, UsageError } from "../trouble";
import { verbWithJson } from "../verb";
import type { FoundVM } from "../vms/find";
import type { VMLoad } from "../vms/load";

const SAMPLE_MS = 1_000;
const REFRESH_MS = 2_000;
const HOME_AND_CLEAR = "\u001b[H\u001b[J";

/** `mayfly top`: what VMs use of this host, now. */
export function top(): Command {
  return verbWithJson(
    "top",
    "Show what running VMs use of this host: CPU in parts of one, memory, and what their disks read and write a second. On a " +
      "terminal until Ctrl-C; in a pipe, with --json or --once, one sample.",
    ["mayfly top", "mayfly top --json dev | jq '.[0].cpuPercent'"],
  )
    .argument("[name...]", "the VMs; by default all that run")
    .option("--once", "one sample, also on a terminal")
    .action(show);
}

interface TopOptions {
  readonly json?: true;
  readonly once?: true;
}

async function show(names: string[], options: TopOptions): Promise<void> {
  const { json } = options;
  if (json === true && options.once === true) throw new UsageError("--json is one sample always: leave out --once");
  using session = await openSession("top");
  const { loadBetween, sample } = await import("../vms/load.js");
  const isLive = goesOn(options);
  const look = async () => {
    const found = await chosen(names, session);
    return { found, seen: await sample(found.done, session.machines) };
  };
  let before = await look();
  for (let turn = 0; ; turn += 1) {
    await sleep(turn === 0 ? SAMPLE_MS : REFRESH_MS, undefined, { signal: session.signal });
    const now = await look();
    const loads = loadBetween(before.seen, now.seen);
    if (json !== true) process.stdout.write(`${isLive ? HOME_AND_CLEAR : ""}${table(loads)}\n`);
    if (!isLive || now.found.failed.length > 0) {
      tellOutcome(now.found, json, loads);
      return;
    }
    before = now;
  }
}

function goesOn({ json, once }: TopOptions): boolean {
  return json !== true && once !== true && process.stdout.isTTY;
}

/** The VMs that are to be shown; those that run where none is named. */
async function chosen(names: readonly string[], session: Session): Promise<Outcome<FoundVM>> {
  const { allVMs, findRunningVM } = await import("../vms/find.js");
  if (names.length === 0) return { done: await allVMs(session), failed: [] };
  const found = await eachOf(names, session, async (name) => findRunningVM(name, session));
  if (found.done.length === 0) throw new SomeFailed(found.failed);
  return found;
}

function table(loads: readonly VMLoad[]): string {
  const rate = (count: number | null) => (count === null ? "-" : `${bytes(count)}/s`);
  const rows = loads.map(({ name, cpuPercent, cpus, memoryMiB, usedMiB, readPerSecond, writtenPerSecond }) => [
    ...[name, percent(cpuPercent), cpus === null ? "-" : String(cpus), `${String(usedMiB)}MiB`],
    ...[memoryMiB === null ? "-" : size(memoryMiB), rate(readPerSecond), rate(writtenPerSecond)],
  ]);
  return renderTable(["NAME", "CPU", "CPUS", "MEMORY", "OF", "READS", "WRITES"], rows);
}
