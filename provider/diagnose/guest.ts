import type { Facts } from "./facts";
import { broken, ok, unknown, type Rung, type Verdict } from "./ladder";
import type { GuestReport } from "./report";
import { asRoot, MORE_MEMORY } from "./words";

/** What may be wrong with a guest that can be logged in to. */
export const guestRungs: readonly Rung[] = [
  { name: "load", from: "guest", judge: load },
  { name: "memory", from: "guest", judge: memory },
  { name: "disk", from: "guest", judge: disk },
  { name: "clock", from: "guest", isBeside: true, judge: clock },
];

const SILENT = unknown("the guest's agent does not answer");

/** Processes that wait, for each CPU, from which on a login takes minutes. */
const CROWDED = 20;
const LEAST_MEMORY = 0.02; // of all; with less the kernel throws out programs' pages and reads them again
const RECENT_SECONDS = 300;
const LEAST_DISK_MIB = 1;
const CLOCK_SECONDS = 60; // what other hosts let pass

function load({ machine: { name }, host, guest }: Facts): Verdict {
  const now = guest?.report?.load;
  if (now === undefined) return SILENT;
  const cpus = host?.record?.size?.cpus ?? 1;
  const seen = `load ${String(now)} on ${String(cpus)} CPUs`;
  if (now <= CROWDED * cpus) return ok(seen);
  return broken(seen, "far more processes want to run than the guest has CPUs", `mayfly exec ${name} -- top -b -n 1`);
}

function memory({ guest }: Facts): Verdict {
  const report = guest?.report;
  if (report?.memory === undefined) return SILENT;
  const { availableMiB, totalMiB } = report.memory;
  const seen = `${mib(availableMiB)} of ${mib(totalMiB)} available`;
  const cause = lackOfMemory(report);
  return cause === undefined ? ok(seen) : broken(seen, cause, MORE_MEMORY);
}

/** What is wrong with a guest's memory, if it has or had too little just now. Explains what is wrong with much else. */
export function lackOfMemory(report: GuestReport | undefined): string | undefined {
  const { memory: seen, outOfMemory } = report ?? {};
  if (outOfMemory !== undefined && outOfMemory.secondsAgo < RECENT_SECONDS) {
    const ago = `${String(Math.round(outOfMemory.secondsAgo))} s ago`;
    return `the guest ran out of memory, and its kernel killed ${outOfMemory.victim} ${ago}`;
  }
  const isShort = seen !== undefined && seen.availableMiB < LEAST_MEMORY * seen.totalMiB;
  return isShort ? "the guest has hardly any memory left" : undefined;
}

function disk({ machine: { name }, guest }: Facts): Verdict {
  const disks = guest?.report?.disks ?? [];
  if (disks.length === 0) return SILENT;
  const describe = ({ mount, freeMiB, sizeMiB }: (typeof disks)[number]) =>
    `${mount} has ${mib(freeMiB)} of ${mib(sizeMiB)}`;
  const full = disks.find(({ freeMiB, freeInodes }) => freeMiB < LEAST_DISK_MIB || freeInodes === 0);
  if (full === undefined) return ok(`${disks.map(describe).join(", ")} free`);
  const isInodes = full.freeMiB >= LEAST_DISK_MIB;
  return broken(
    isInodes ? `${describe(full)} free, but no inode` : `${describe(full)} free`,
    isInodes ? `${full.mount} holds as many files as it can` : `${full.mount} is full`,
    `see what fills it: mayfly exec ${name} -- du -xh -d 2 ${full.mount}; or declare a larger \`disk\` (--disk)`,
  );
}

/** By its clock, as against this host's: certificates, time stamps and one-time passwords go by it. */
function clock({ machine, guest }: Facts): Verdict {
  const { report, asked } = guest ?? {};
  if (report === undefined || asked === undefined) return SILENT;
  if (report.clock === undefined) return unknown("the guest's agent does not say");
  const ahead = Math.max(0, report.clock - asked.to) - Math.max(0, asked.from - report.clock);
  if (Math.abs(ahead) < CLOCK_SECONDS) return ok("it goes with this host's");
  const seen = `it is ${String(Math.round(Math.abs(ahead)))} s ${ahead > 0 ? "ahead of" : "behind"} this host's`;
  return broken(seen, "the guest's clock is wrong", asRoot(machine, "date -s @$(date +%s)"));
}

function mib(count: number): string {
  return `${String(Math.floor(count))} MiB`;
}
