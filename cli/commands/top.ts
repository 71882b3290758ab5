import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { bytes, percent, printJson, renderTable, size } from "../output";
import { openSession, type Session } from "../rooms";
import { UsageError } from "../trouble";
import { verbWithJson } from "../verb";
import type { Sample, VMLoad } from "../vms/load";

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

async function show(names: string[], { json, once }: TopOptions): Promise<void> {
  if (json === true && once === true) throw new UsageError("--json is one sample always: leave out --once");
  using session = await openSession("top");
  const { loadBetween, sample } = await import("../vms/load.js");
  const isLive = json !== true && once !== true && process.stdout.isTTY;
  let before = await look(names, session);
  for (let turn = 0; ; turn += 1) {
    await sleep(turn === 0 ? SAMPLE_MS : REFRESH_MS, undefined, { signal: session.signal });
    const now = await look(names, session);
    const loads = loadBetween(before, now);
    if (json === true) printJson(loads);
    else process.stdout.write(`${isLive ? HOME_AND_CLEAR : ""}${table(loads)}\n`);
    if (!isLive) return;
    before = now;
  }

  async function look(chosen: readonly string[], { machines }: Session): Promise<Sample> {
    const { allVMs, findRunningVM } = await import("../vms/find.js");
    const vms =
      chosen.length === 0
        ? await allVMs(session)
        : await Promise.all(chosen.map(async (name) => findRunningVM(name, session)));
    return sample(vms, machines);
  }
}

function table(loads: readonly VMLoad[]): string {
  const rate = (count: number | null) => (count === null ? "-" : `${bytes(count)}/s`);
  const rows = loads.map(({ name, cpuPercent, cpus, memoryMiB, usedMiB, readPerSecond, writtenPerSecond }) => [
    ...[name, percent(cpuPercent), cpus === null ? "-" : String(cpus), `${String(usedMiB)}MiB`],
    ...[memoryMiB === null ? "-" : size(memoryMiB), rate(readPerSecond), rate(writtenPerSecond)],
  ]);
  return renderTable(["NAME", "CPU", "CPUS", "MEMORY", "OF", "READS", "WRITES"], rows);
}
