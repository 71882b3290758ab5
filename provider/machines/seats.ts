import { createHash } from "node:crypto";
import type { Owner } from "../context";
import { MayflyError } from "../errors";
import { withLock } from "../host/locks";
import { isAlive } from "../host/process-identity";
import type { Records } from "../host/records";
import { parseSubnet, sizeOf, spellAddress } from "../schema/ipv4";
import { canStartAgain, sameOwner, type MachineRecord } from "./record";
import type { SegmentSpec } from "./spec";

/** A machine's place in a private network. */
export interface Seat {
  /** Id of the network. */
  readonly network: string;
  readonly address: string;
  /** Length of the subnet's prefix. */
  readonly prefix: number;
  /** Hardware address of the machine's card there. */
  readonly mac: string;
  /** By which the network's machines find this one. */
  readonly names: readonly string[];
}

/** Where it is on record who has which place. */
interface Places {
  readonly locks: string;
  readonly records: Records<MachineRecord>;
}

/**
 * Gives a new machine its places in networks, and keeps others from taking them until they are on record.
 *
 * @param record Writes the machine's record.
 * @throws {MayflyError} `ADDRESS_TAKEN`
 */
export async function takeSeats(
  segments: readonly SegmentSpec[],
  { locks, records }: Places,
  signal: AbortSignal,
  record: (seats: readonly Seat[]) => Promise<void>,
): Promise<readonly Seat[]> {
  const take = async () => {
    const seats = segments.length === 0 ? [] : giveSeats(segments, await records.list());
    await record(seats);
    return seats;
  };
  return segments.length === 0 ? take() : withLock(locks, "seats", signal, take);
}

/**
 * Has a machine that starts again take the places that it had, unless others have them by now.
 *
 * @param record Writes on its record that it is about to run.
 * @throws {MayflyError} `ADDRESS_TAKEN`
 */
export async function retakeSeats(
  id: string,
  { owner: { resource }, seats = [] }: Pick<MachineRecord, "owner" | "seats">,
  { locks, records }: Places,
  signal: AbortSignal,
  record: () => Promise<void>,
): Promise<void> {
  const take = async () => {
    const others = new Map([...(await records.list())].filter(([other]) => other !== id));
    for (const { network, address } of seats) {
      const holder = holdersOf(network, others).get(address);
      if (holder === undefined) continue;
      throw new MayflyError("ADDRESS_TAKEN", `the address ${address}, which ${resource} had, cannot be had again`, {
        evidence: `${describe(holder)} has it`,
        remedy: `end that VM, or make this one anew: mayfly rm ${resource}`,
      });
    }
    await record();
  };
  await (seats.length === 0 ? record() : withLock(locks, "seats", signal, take));
}

/**
 * Gives a new machine its place in each network: the address that is declared, or else a free one, out of its host name,
 * so that a machine that is made anew mostly gets the same. Nobody else must do this meanwhile: see {@link takeSeats}.
 *
 * @param records All machines. Those that are dead hold nothing any more, those that can be started again do.
 * @throws {MayflyError} `ADDRESS_TAKEN`
 */
export function giveSeats(segments: readonly SegmentSpec[], records: ReadonlyMap<string, MachineRecord>): Seat[] {
  return segments.map((segment) => {
    const { network, names, address, subnet } = segment;
    const holders = holdersOf(network, records);
    const holder = address === undefined ? undefined : holders.get(address);
    if (holder !== undefined) throw taken(segment, `${describe(holder)} has it`);
    const given = address ?? freeAddress(subnet, names[0] ?? "", new Set(holders.keys()));
    if (given === undefined) throw taken(segment, `all ${String(holders.size)} addresses are given out`);
    return { network, address: given, prefix: parseSubnet(subnet)?.prefix ?? 0, mac: macOf(given), names };
  });
}

function describe({ project, stack, resource }: Owner): string {
  return stack === "" ? `VM "${resource}"` : `VM "${resource}" of ${project}/${stack}`;
}

function taken({ subnet, address }: SegmentSpec, why: string): MayflyError {
  return new MayflyError("ADDRESS_TAKEN", `the address ${address ?? `in ${subnet}`} cannot be had`, {
    evidence: why,
    remedy: "choose another `networks[].address`, or leave it out; a Network with a larger subnet has more of them",
  });
}

/**
 * The card of an address: a locally administered one that is made of it. Who takes over the address has the same card
 * then, so that the others, who remember a card by its address for a while, reach it at once.
 */
function macOf(address: string): string {
  const parts = address.split(".").map((part) => Number(part).toString(16).padStart(2, "0"));
  return ["02", "4d", ...parts].join(":");
}

/** Who has which address. */
function holdersOf(network: string, records: ReadonlyMap<string, MachineRecord>): Map<string, Owner> {
  const holders = new Map<string, Owner>();
  for (const record of records.values()) {
    const { seats = [], owner, qemu, madeBy } = record;
    if (!canStartAgain(record) && !isAlive(qemu ?? madeBy)) continue;
    for (const seat of seats) if (seat.network === network) holders.set(seat.address, owner);
  }
  return holders;
}

/** The first free address from the one that a host name stands for; pure. */
export function freeAddress(subnet: string, hostname: string, taken: ReadonlySet<string>): string | undefined {
  const range = parseSubnet(subnet);
  if (range === undefined) return undefined;
  const hosts = sizeOf(range.prefix) - 2;
  const first = createHash("sha256").update(hostname).digest().readUInt32BE(0) % hosts;
  for (let step = 0; step < hosts; step += 1) {
    const address = spellAddress(range.base + 1 + ((first + step) % hosts));
    if (!taken.has(address)) return address;
  }
  return undefined;
}

/** An address that a resource asks for. */
export interface AddressClaim {
  readonly owner: Owner;
  readonly network: string;
  readonly address: string;
}

/**
 * Which of the wanted addresses another VM of the same program wants as well, or has; by the index of the network. The
 * wishes are noted.
 *
 * @param claims Of the machines of one program, of which none may be there yet.
 */
export function contested(
  owner: Owner,
  wanted: readonly { readonly name: string; readonly id: string | undefined; readonly address: string | undefined }[],
  records: ReadonlyMap<string, MachineRecord>,
  claims: AddressClaim[],
): { readonly index: number; readonly reason: string }[] {
  return wanted.flatMap(({ name, id, address }, index) => {
    if (address === undefined) return [];
    const rival = claims.find(
      (claim) => claim.network === name && claim.address === address && !sameOwner(claim.owner, owner),
    );
    claims.push({ owner, network: name, address });
    const holder = id === undefined ? undefined : holdersOf(id, records).get(address);
    const choose = "; choose another, or leave it out";
    if (rival !== undefined)
      return [{ index, reason: `${address} is wanted by VM "${rival.owner.resource}" as well${choose}` }];
    if (holder === undefined || sameOwner(holder, owner)) return []; // a VM's own goes before the new one comes
    return [{ index, reason: `${address} is taken by VM "${holder.resource}"${choose}` }];
  });
}
