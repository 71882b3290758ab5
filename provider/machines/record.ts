import type { Owner } from "../context";
import type { ProcessIdentity } from "../host/process-identity";
import { isBootDisk, type MachinePlan } from "./plan";
import type { Seat } from "./seats";
import type { MachineSpec, PortSpec } from "./spec";

/** What is on disk about a machine, from before it exists until it is gone. */
export interface MachineRecord {
  readonly owner: Owner;
  /**
   * `starting`: the process `madeBy` works on it. `ready`: it runs, but we do not know yet whether Pulumi's state knows
   * it. `committed`: it does; only Pulumi, its own end, or `mayfly rm` removes it.
   */
  readonly phase: "starting" | "ready" | "committed";
  /** The process that makes it. */
  readonly madeBy: ProcessIdentity;
  /** Seconds since 1970. */
  readonly createdAt: number;
  /** Seconds since 1970; absent: never, or not up yet: its lifetime begins when it is. */
  readonly expiresAt?: number;
  /** The process that ends it then. */
  readonly expiry?: ProcessIdentity;
  /** The image, as the user named it. Absent in records of former versions, and in those of templates that are made. */
  readonly image?: string;
  /** Its size, and by what its instructions are run. Absent in records of former versions. */
  readonly size?: Pick<MachineSpec, "cpus" | "memoryMiB" | "scratchMiB" | "accelerator">;
  /** Labels of its container, beside our own. Absent in records of former versions. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Ports that it has on the host; until it runs, as declared. Absent in records of former versions. */
  readonly ports?: readonly PortSpec[];
  /** Its places in private networks, whose switches read them here. Absent in records of former versions. */
  readonly seats?: readonly Seat[];
  /** Version of the boot artefacts that it is made from. Absent in records of former versions. */
  readonly boot?: string;
  /** It boots a disk of its own, in whose guest no agent of ours is. */
  readonly agentless?: true;
  /** qemu's process, once it runs. */
  readonly qemu?: ProcessIdentity;
  /** It was stopped then, in seconds since 1970, and can be started again. Absent while it runs, and where it has ended. */
  readonly stoppedAt?: number;
  /** Key of the template that it runs from. */
  readonly template?: string;
}

/** What goes on record of a machine to be made; a template's has no image. */
export type RecordedPlan = Pick<MachinePlan, "owner" | "spec" | "boot"> & Partial<Pick<MachinePlan, "image">>;

/** What is put on record before there is anything of a machine. */
export function firstRecord(
  { owner, image, spec, boot }: RecordedPlan,
  madeBy: ProcessIdentity,
  seats: readonly Seat[],
): MachineRecord {
  const createdAt = Math.floor(Date.now() / 1_000);
  const { ports, labels, cpus, memoryMiB, scratchMiB, accelerator } = spec;
  return {
    ...{ owner, phase: "starting", madeBy, createdAt, labels, ports, seats, boot: boot.version },
    ...{ size: { cpus, memoryMiB, scratchMiB, accelerator } },
    ...(image !== undefined && { image }),
    ...(isBootDisk(boot) && { agentless: true as const }),
  };
}

/** Whether two things were asked for by the same resource of the same stack. */
export function sameOwner(one: Owner, other: Owner): boolean {
  return one.project === other.project && one.stack === other.stack && one.resource === other.resource;
}

/**
 * Whether a machine may come back when it has ended: it was stopped, or is one of the command's, which `mayfly start` boots
 * again with what is on its disk. A stack's is made anew, a session's goes with the session.
 */
export function canStartAgain({
  owner: { stack, session },
  phase,
  stoppedAt,
}: Pick<MachineRecord, "owner" | "phase" | "stoppedAt">): boolean {
  return stoppedAt !== undefined || (stack === "" && session === undefined && phase !== "starting");
}
