import { processUsage, type ProcessUsage } from "../../provider/host/process-usage";
import type { Session } from "../rooms";
import { stackOf, type FoundVM } from "./find";

/** What machines had used at one moment. */
export type Sample = readonly { readonly vm: FoundVM; readonly usage: ProcessUsage }[];

/** What a machine uses now. */
export interface VMLoad {
  readonly name: string;
  readonly id: string;
  /** `project/stack`; empty for the command's own. */
  readonly stack: string;
  /** Of one CPU: 200 are two. */
  readonly cpuPercent: number;
  readonly cpus: number | null;
  /** What it takes of the host's memory, qemu's own included. */
  readonly usedMiB: number;
  /** What its guest has. */
  readonly memoryMiB: number | null;
  /** Bytes; `null` where we may not ask. */
  readonly readPerSecond: number | null;
  readonly writtenPerSecond: number | null;
}

/** Looks at those machines that run. */
export async function sample(vms: readonly FoundVM[], machines: Session["machines"]): Promise<Sample> {
  const seen = await Promise.all(
    vms.map(async (vm) => {
      const { qemu } = vm.record;
      if (qemu === undefined || !(await machines.isAlive(vm.id))) return [];
      const usage = processUsage(qemu.pid);
      return usage === undefined ? [] : [{ vm, usage }];
    }),
  );
  return seen.flat();
}

/** What machines have used between two moments, the busiest first. One that was not there at the first begins then. Pure. */
export function loadBetween(before: Sample, now: Sample): readonly VMLoad[] {
  const loads = now.flatMap(({ vm, usage }) => {
    const isSame = (other: FoundVM) => other.id === vm.id && other.record.qemu?.pid === vm.record.qemu?.pid;
    const first = before.find((seen) => isSame(seen.vm))?.usage ?? NOTHING;
    return usage.ageSeconds > first.ageSeconds ? [loadOf(vm, first, usage)] : [];
  });
  return loads.sort((one, other) => other.cpuPercent - one.cpuPercent);
}

/** What a process has used that is about to begin. */
const NOTHING: ProcessUsage = {
  state: "?",
  cpuSeconds: 0,
  ageSeconds: 0,
  memoryBytes: 0,
  readBytes: 0,
  writtenBytes: 0,
};

function loadOf({ id, record: { owner, size } }: FoundVM, first: ProcessUsage, usage: ProcessUsage): VMLoad {
  const seconds = usage.ageSeconds - first.ageSeconds;
  const rate = (from = 0, to?: number) => (to === undefined ? null : Math.round((to - from) / seconds));
  return {
    ...{ name: owner.resource, id, stack: stackOf(owner), cpus: size?.cpus ?? null },
    cpuPercent: Math.round(((usage.cpuSeconds - first.cpuSeconds) / seconds) * 100),
    ...{ usedMiB: Math.round(usage.memoryBytes / 1_048_576), memoryMiB: size?.memoryMiB ?? null },
    readPerSecond: rate(first.readBytes, usage.readBytes),
    writtenPerSecond: rate(first.writtenBytes, usage.writtenBytes),
  };
}
