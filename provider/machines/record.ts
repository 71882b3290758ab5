import type { Owner } from "../context";
import type { ProcessIdentity } from "../host/process-identity";
import type { Seat } from "./seats";
import type { PortSpec } from "./spec";

/** What is on disk about a machine, from before it exists until it is gone. */
export interface MachineRecord {
  readonly owner: Owner;
  /**
   * `starting`: the process `madeBy` works on it. `ready`: it runs, but we do not know yet whether Pulumi's state knows
   * it. `committed`: it does; only Pulumi, its own end, or `prune --all` removes it.
   */
  readonly phase: "starting" | "ready" | "committed";
  /** The process that makes it. */
  readonly madeBy: ProcessIdentity;
  /** Seconds since 1970. */
  readonly createdAt: number;
  /** Seconds since 1970; absent: never. */
  readonly expiresAt?: number;
  /** The process that ends it then. */
  readonly expiry?: ProcessIdentity;
  /** Ports that it has on the host, as declared. Absent in records of former versions. */
  readonly ports?: readonly PortSpec[];
  /** Its places in private networks, whose switches read them here. Absent in records of former versions. */
  readonly seats?: readonly Seat[];
  /** Version of the boot artefacts that it is made from. Absent in records of former versions. */
  readonly boot?: string;
  /** qemu's process, once it runs. */
  readonly qemu?: ProcessIdentity;
  /** Key of the template that it runs from. */
  readonly template?: string;
}

/** Whether two things were asked for by the same resource of the same stack. */
export function sameOwner(one: Owner, other: Owner): boolean {
  return one.project === other.project && one.stack === other.stack && one.resource === other.resource;
}
