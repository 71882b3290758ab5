import type { Owner } from "../context";
import type { ProcessIdentity } from "../host/process-identity";

/** What is on disk about a private network, from before it exists until it is gone. Its members are on their own records. */
export interface NetworkRecord {
  readonly owner: Owner;
  /** As that of a machine: `starting` until it is made, `ready` until Pulumi's state knows it for certain. */
  readonly phase: "starting" | "ready" | "committed";
  /** The process that makes it. */
  readonly madeBy: ProcessIdentity;
  /** Seconds since 1970. */
  readonly createdAt: number;
  readonly subnet: string;
  /** The process that is its switch, once it runs. Written by itself. */
  readonly switch?: ProcessIdentity;
}
