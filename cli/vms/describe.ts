import { processUsage } from "../../provider/host/process-usage";
import type { Session } from "../rooms";
import { stackOf, type FoundVM } from "./find";

/** What `ls` and `inspect` tell of a machine. No secrets. */
export interface DescribedVM {
  readonly name: string;
  readonly id: string;
  /**
   * `starting`: it is being made, and nobody can log in yet. `stopped`: by `mayfly stop`. `ended`: its guest has shut down,
   * or its qemu was killed; what is left of it is on disk.
   */
  readonly state: VMState;
  /** `project/stack`; empty for the command's own. */
  readonly stack: string;
  /** It goes with the session that it was made for. */
  readonly isOfSession: boolean;
  readonly image: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly cpus: number | undefined;
  readonly memoryMiB: number | undefined;
  readonly diskMiB: number | undefined;
  readonly accelerator: string | undefined;
  /** What it uses of this host; absent where it does not run. */
  readonly used?: {
    /** CPU time since it started, in hundredths of one CPU's. */
    readonly cpuPercent: number;
    /** Memory, qemu's own included. */
    readonly memoryMiB: number;
  };
  /** Seconds since 1970. */
  readonly createdAt: number;
  /** Seconds since 1970; absent: never. */
  readonly expiresAt: number | undefined;
  readonly ports: readonly { guest: number; host: number; hostAddress: string; protocol: "tcp" | "udp" }[];
  /** Its address in each private network. */
  readonly networks: readonly { readonly id: string; readonly address: string }[];
}

/** What a machine does. */
type VMState = "starting" | "running" | "stopped" | "ended";

/** Describes a machine by its record and its process. */
export async function describeVM({ id, record }: FoundVM, { machines }: Session): Promise<DescribedVM> {
  const { owner, image, labels = {}, size, createdAt, expiresAt, ports = [], seats = [] } = record;
  const isAlive = await machines.isAlive(id);
  return {
    ...{ name: owner.resource, id, state: stateOf(record, isAlive) },
    ...{ stack: stackOf(owner), isOfSession: owner.session !== undefined, image, labels },
    ...{ cpus: size?.cpus, memoryMiB: size?.memoryMiB, diskMiB: size?.scratchMiB, accelerator: size?.accelerator },
    ...(isAlive && usedBy(record)),
    ...{ createdAt, expiresAt, ports },
    networks: seats.map(({ network, address }) => ({ id: network, address })),
  };
}

function usedBy({ qemu }: FoundVM["record"]): Pick<DescribedVM, "used"> {
  const usage = qemu && processUsage(qemu.pid);
  if (usage === undefined) return {};
  const { cpuSeconds, ageSeconds, memoryBytes } = usage;
  const cpuPercent = Math.round((cpuSeconds / Math.max(1, ageSeconds)) * 100);
  return { used: { cpuPercent, memoryMiB: Math.round(memoryBytes / 1_048_576) } };
}

function stateOf({ phase, stoppedAt }: FoundVM["record"], isAlive: boolean): VMState {
  if (phase === "starting") return "starting"; // also when its qemu runs already
  if (isAlive) return "running";
  return stoppedAt === undefined ? "ended" : "stopped";
}
