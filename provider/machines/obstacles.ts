import { ARCHITECTURES, hostArchitecture } from "../architectures";
import { MayflyError } from "../errors";
import type { Owner } from "../context";
import { diskSpace, hostMemoryMiB } from "../host/capacity";
import type { Paths } from "../host/paths";
import { findContainerProgram, findProgram } from "../host/podman";
import { portProblem } from "../host/ports";
import { isAlive } from "../host/process-identity";
import { toolMissing } from "../host/tool-error";
import { chooseAccelerator } from "./accelerator";
import { run } from "../host/run";
import { sameOwner, type MachineRecord } from "./record";
import { contested, type AddressClaim } from "./seats";
import type { Accelerator, PortSpec } from "./spec";

/** What a machine would ask of this host. */
export interface Demand {
  readonly owner: Owner;
  /** Ids of machines that are the owner's, whatever its name was when they were made: they go before a new one comes. */
  readonly own: ReadonlySet<string>;
  readonly accelerator: "auto" | Accelerator;
  readonly memoryMiB: number;
  readonly scratchMiB: number | undefined;
  readonly ports: readonly PortSpec[];
  readonly networks: readonly NetworkDemand[];
}

/** A private network that it would be in. */
interface NetworkDemand {
  /** Name of its resource. */
  readonly name: string;
  /** Its id; absent where there is none yet. */
  readonly id: string | undefined;
  /** The address that is asked for. */
  readonly address: string | undefined;
}

/** Something that this host cannot give. */
export interface Obstacle {
  /** What asks for it, lists with an index; absent where it is the host itself that lacks something. */
  readonly about?: "accelerator" | "memory" | "scratch" | "networks" | readonly ["ports" | "networks", number];
  readonly reason: string;
  /** It may go well all the same. */
  readonly isWarning?: boolean;
}

/** A port that a resource asks for. */
export interface PortClaim {
  readonly owner: Owner;
  readonly port: PortSpec;
}

/** Who else has, or will have, something of this host. */
export interface Others {
  readonly records: ReadonlyMap<string, MachineRecord>;
  /** Ports of the machines of one program, of which none may be there yet. The demand's own are added. */
  readonly claims: PortClaim[];
  /** Likewise addresses in their private networks. */
  readonly addressClaims: AddressClaim[];
}

/** What stands in the way of a new machine on this host, all of it. Changes nothing; quick but for the first proof of KVM. */
export async function obstacles(
  demand: Demand,
  paths: Paths,
  others: Others,
  signal: AbortSignal,
): Promise<Obstacle[]> {
  const records = byNamesOfToday(demand, others.records);
  const missing = missingPrograms(demand);
  const looks = await Promise.all([
    tooLittleSpace(demand, paths.home),
    missing.length > 0 ? Promise.resolve([]) : noKvm(demand, paths, signal), // the proof itself needs qemu
    portsTaken(demand, { ...others, records }, signal),
    missing.length > 0 ? Promise.resolve([]) : oldQemu(demand, signal),
  ]);
  const { owner, networks } = demand;
  const addresses = contested(owner, networks, records, others.addressClaims);
  looks.push(addresses.map(({ index, reason }): Obstacle => ({ about: ["networks", index], reason })));
  return [...missing, ...tooLittleMemory(demand), ...looks.flat()];
}

/** A resource may have had another name when its machine was made, by an alias or in a renamed stack. */
function byNamesOfToday({ owner, own }: Demand, records: Others["records"]): Others["records"] {
  return new Map([...records].map(([id, record]) => [id, own.has(id) ? { ...record, owner } : record]));
}

/** Programs that every machine needs, and where it depends on the machine, those too. */
function missingPrograms({ scratchMiB }: Demand): Obstacle[] {
  const onHost = ["podman", "mkfs.erofs", "busybox", ...(scratchMiB === undefined ? [] : ["mke2fs"])];
  const inContainer = [ARCHITECTURES[hostArchitecture()].qemu];
  const missing = [
    ...onHost.filter((name) => findProgram(name) === undefined),
    ...inContainer.filter((name) => findContainerProgram(name) === undefined),
  ];
  return missing.map((name) => ({ reason: toolMissing(name).message }));
}

function tooLittleMemory({ memoryMiB }: Demand): Obstacle[] {
  const hostMiB = hostMemoryMiB();
  if (memoryMiB < hostMiB) return [];
  return [
    {
      about: "memory",
      reason: `must be less than this host has, ${String(hostMiB)} MiB; got ${String(memoryMiB)} MiB`,
    },
  ];
}

/** The scratch disk is sparse, so that more than is free may do; more than there ever was won't. */
async function tooLittleSpace({ scratchMiB }: Demand, folder: string): Promise<Obstacle[]> {
  if (scratchMiB === undefined) return [];
  const { freeMiB, totalMiB } = await diskSpace(folder);
  const size = `${String(scratchMiB)} MiB`;
  const where = `${folder}; MAYFLY_HOME=/larger/disk moves the data folder`;
  if (scratchMiB > totalMiB)
    return [
      {
        about: "scratch",
        reason: `is larger, with ${size}, than the whole filesystem (${String(totalMiB)} MiB) of ${where}`,
      },
    ];
  if (scratchMiB <= freeMiB) return [];
  const reason = `asks for ${size}, while ${String(freeMiB)} MiB are free in ${where}. It takes only what the guest writes; writes fail when the host's disk is full`;
  return [{ about: "scratch", reason, isWarning: true }];
}

async function noKvm({ accelerator }: Demand, paths: Paths, signal: AbortSignal): Promise<Obstacle[]> {
  if (accelerator !== "kvm") return [];
  try {
    await chooseAccelerator(paths, accelerator, hostArchitecture(), { signal, say: () => undefined });
    return [];
  } catch (error) {
    if (error instanceof MayflyError && error.code === "KVM_UNUSABLE")
      return [{ about: "accelerator", reason: error.message }];
    throw error;
  }
}

/** Frames over a unix socket are new in QEMU 7.2. */
async function oldQemu({ networks }: Demand, signal: AbortSignal): Promise<Obstacle[]> {
  if (networks.length === 0) return [];
  const said = await run(ARCHITECTURES[hostArchitecture()].qemu, ["--version"], { signal });
  const [, version = "", major, minor] = /version ((\d+)\.(\d+)\S*)/.exec(said) ?? [];
  if (major === undefined || Number(major) * 100 + Number(minor) >= 702) return [];
  return [
    {
      about: "networks",
      reason: `need QEMU 7.2 or newer; this host has ${version} (Debian 12 and Ubuntu 24.04 have it)`,
    },
  ];
}

/** A port that a living machine of the same owner has is no obstacle: it goes before the new one comes. */
async function portsTaken(
  { ports, owner }: Demand,
  { records, claims }: Others,
  signal: AbortSignal,
): Promise<Obstacle[]> {
  const living = [...records.values()].filter(({ qemu }) => qemu !== undefined && isAlive(qemu));
  const held = living.flatMap((record) =>
    (record.ports ?? []).map((port): PortClaim => ({ owner: record.owner, port })),
  );
  const looks = ports.map(async (port, index): Promise<Obstacle[]> => {
    const meets = (claim: PortClaim) => overlap(port, claim.port);
    const wanted = claims.find((claim) => meets(claim) && !sameOwner(claim.owner, owner));
    claims.push({ owner, port });
    if (wanted !== undefined) return taken(port, index, `is wanted by VM "${wanted.owner.resource}" as well`);
    const holders = held.filter(meets);
    if (holders.some((holder) => sameOwner(holder.owner, owner))) return [];
    const [other] = holders;
    if (other !== undefined) return taken(port, index, `is taken by VM ${nameOf(other.owner)}`);
    const problem = await portProblem(port, signal);
    return problem === undefined ? [] : taken(port, index, problem);
  });
  return (await Promise.all(looks)).flat();
}

function taken({ hostAddress, host }: PortSpec, index: number, problem: string): Obstacle[] {
  const reason = `${hostAddress}:${String(host)} ${problem}; choose another, or 0 for a free one`;
  return [{ about: ["ports", index], reason }];
}

function nameOf({ project, stack, resource }: Owner): string {
  return project === "" && stack === "" ? `"${resource}"` : `"${resource}" of ${project}/${stack}`; // else the command's
}

/** Whether two listeners cannot be at the same time. */
function overlap(one: PortSpec, other: PortSpec): boolean {
  const everywhere = "0.0.0.0";
  const addresses = [one.hostAddress, other.hostAddress];
  const meet = one.hostAddress === other.hostAddress || addresses.includes(everywhere);
  return one.host !== 0 && one.host === other.host && one.protocol === other.protocol && meet;
}
