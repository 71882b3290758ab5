import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Program } from "../tests/support/program";
import { atMost, seconds, timed, type Figure } from "./figures";
import { TICKS } from "./host";

const SIZE = 20;
/** Idle: after what a boot leaves to do is done, and as long as a person would look. */
const SETTLE_SECONDS = 20;
const WATCH_SECONDS = 30;

/**
 * Twenty VMs in one `pulumi up`, idle, and destroyed.
 *
 * @param warm Seconds of one warm `create`, measured in this run.
 */
export async function measureFleet(warm: number): Promise<Figure[]> {
  await using program = await Program.open("bench");
  const declare = async (count: number) => {
    const vms = Array.from(
      { length: count },
      (_, index) => `new mayfly.VM("vm${String(index)}", { image, memory: "512MiB" });`,
    );
    await program.write(
      ['const image = new mayfly.Image("debian", { debian: {}, warm: [{ memory: "512MiB" }] });', ...vms].join("\n"),
    );
  };
  await declare(0);
  await program.pulumi("up", "--yes", "--skip-preview");
  const empty = await timed(() => program.pulumi("up", "--yes", "--skip-preview"));
  await declare(SIZE);
  const up = await timed(() => program.pulumi("up", "--yes", "--skip-preview"));

  const machines = join(program.data, "records", "machines");
  const ids = readdirSync(machines).map((name) => name.replace(/\.json$/, ""));
  await sleep(SETTLE_SECONDS * 1_000);
  const processes = processesNaming(ids);
  const before = cpuSeconds(processes);
  await sleep(WATCH_SECONDS * 1_000);
  const busy = ((cpuSeconds(processes) - before) / WATCH_SECONDS) * 100;
  const memory = processes.reduce((sum, pid) => sum + unsharedMiB(pid), 0) / ids.length;

  const destroy = await timed(() => program.pulumi("destroy", "--yes", "--skip-preview"));
  const size = String(SIZE);
  return [
    { what: "`pulumi up` with nothing to do", value: seconds(empty.seconds) },
    atMost(`${size} VMs of 512 MiB in one \`pulumi up\``, up.seconds, SIZE * 0.7 * warm),
    atMost(`idle CPU of the ${size} together, of one core`, busy, 15, "%"),
    atMost("unshared memory of an idle VM, all its processes", memory, 90, "MiB"),
    atMost(`\`pulumi destroy\` of the ${size}, each`, destroy.seconds / SIZE, 0.25),
  ];
}

/** Processes of machines: those that name one on their command line, and what these have started. */
function processesNaming(ids: readonly string[]): number[] {
  const all = readdirSync("/proc").map(Number).filter(Number.isInteger);
  const named = new Set(all.filter((pid) => ids.some((id) => read(`/proc/${String(pid)}/cmdline`).includes(id))));
  for (let found = true; found;) {
    found = false;
    for (const pid of all)
      if (!named.has(pid) && named.has(parentOf(pid))) {
        named.add(pid);
        found = true;
      }
  }
  return [...named];
}

function parentOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)/m.exec(read(`/proc/${String(pid)}/status`))?.[1] ?? 0);
}

function cpuSeconds(pids: readonly number[]): number {
  const ticks = pids.map((pid) => {
    const text = read(`/proc/${String(pid)}/stat`);
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" "); // proc(5): utime and stime are 14 and 15
    return Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
  });
  return ticks.reduce((sum, value) => sum + value, 0) / TICKS;
}

/** Memory that would come free if the process ended: proc(5), smaps_rollup. */
function unsharedMiB(pid: number): number {
  const text = read(`/proc/${String(pid)}/smaps_rollup`);
  const kib = [...text.matchAll(/^Private_(?:Clean|Dirty):\s+(\d+) kB/gm)].reduce(
    (sum, [, value]) => sum + Number(value),
    0,
  );
  return kib / 1_024;
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return ""; // it ended
  }
}
