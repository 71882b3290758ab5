import type { NetworkRecord } from "../../provider/networks/record";
import { overlap, parseSubnet } from "../../provider/schema/ipv4";
import type { NetworkChoice } from "../args/machine";
import type { Session } from "../rooms";
import { CommandError } from "../trouble";
import { isOfCommand } from "./find";

const SUBNETS = 256;

/** The addresses that the command's networks get, the first of them where no other network has these. */
export function nthSubnet(index: number): string {
  return `10.80.${String(index)}.0/24`;
}

/** A private network, as a VM's inputs name it. */
export interface JoinedNetwork {
  /** Its id; made here where there was none. */
  readonly id: string;
  readonly membership: { readonly network: string; readonly subnet: string; readonly address?: string };
}

/**
 * Runs work with private networks by name, the command's own first, then those of stacks; makes what is missing, which goes
 * again when the work fails, where nobody else is in it by then. Two who want the same one at once get the same one. Nobody
 * takes one for empty as long as the work goes on.
 *
 * @param vm Name of the machine that is to be in them.
 */
export async function withNetworks<T>(
  choices: readonly NetworkChoice[],
  vm: string,
  session: Session,
  work: Work<T>,
): Promise<T> {
  const { orCleanUp } = await import("../../provider/host/clean-up.js");
  const made = new Set<string>();
  return orCleanUp(
    async () => join(choices, vm, session, made, work),
    async () => {
      await removeEmptyNetworks(made, { ...session, signal: AbortSignal.timeout(REMOVAL_MS) });
    },
    { what: `the networks of ${vm}`, remedy: "mayfly prune" },
  );
}

const REMOVAL_MS = 30_000; // takes 0.1 s

type Work<T> = (joined: readonly JoinedNetwork[]) => Promise<T>;

/** @param made Gets the ids of those that were made. */
async function join<T>(
  [choice, ...others]: readonly NetworkChoice[],
  vm: string,
  session: Session,
  made: Set<string>,
  work: Work<T>,
): Promise<T> {
  const { withLock } = await import("../../provider/host/locks.js");
  const { paths, signal } = session;
  if (choice === undefined) return work([]);
  const { name, address } = choice;
  const makeNew = async () => {
    const network = await make(choice, session);
    made.add(network.id);
    return network;
  };
  const findOrMake = async () => (await find(name, session)) ?? (await makeNew());
  // Whoever removes the network looks for this under the other lock, and so sees it, or is done before we look.
  return withLock(paths.locks, `${wanted(name)}${vm}`, signal, async () => {
    const { id, subnet } = await withLock(paths.locks, turn(name), signal, findOrMake);
    const joined = { id, membership: { network: name, subnet, ...(address !== undefined && { address }) } };
    return join(others, vm, session, made, async (rest) => work([joined, ...rest]));
  });
}

/** The lock under which a network of that name is found, made or removed. */
function turn(name: string): string {
  return `network-named-${name}`;
}

/** How the locks of those begin who are about to be in a network of that name. */
function wanted(name: string): string {
  return `network-wanted-${name}..by..`; // two dots are in no name of a VM
}

type Rooms = Pick<Session, "networks" | "machines" | "signal" | "paths">;

/** Whether a network is the command's own, and no machine is in it or about to be. */
export async function isEmpty(
  id: string,
  { owner, phase }: Pick<NetworkRecord, "owner" | "phase">,
  { machines, paths }: Omit<Rooms, "networks" | "signal">,
): Promise<boolean> {
  if (!isOfCommand(owner) || phase === "starting") return false;
  const { isAnyLocked } = await import("../../provider/host/locks.js");
  const names = [owner.resource, id];
  for (const name of names) if (await isAnyLocked(paths.locks, wanted(name))) return false;
  const seats = [...(await machines.list()).values()].flatMap((record) => record.seats ?? []);
  return !seats.some(({ network }) => network === id);
}

/** Removes those of some private networks that are empty. Returns their names. */
export async function removeEmptyNetworks(ids: ReadonlySet<string>, rooms: Rooms): Promise<readonly string[]> {
  const { withLock } = await import("../../provider/host/locks.js");
  const { networks, paths, signal } = rooms;
  const removed: string[] = [];
  for (const [id, record] of await networks.list()) {
    const { resource } = record.owner;
    if (!ids.has(id) || !(await isEmpty(id, record, rooms))) continue;
    await withLock(paths.locks, turn(resource), signal, async () => {
      if (!(await isEmpty(id, record, rooms))) return;
      await networks.remove(id, signal);
      removed.push(resource);
    });
  }
  return removed;
}

async function find(name: string, { networks }: Session): Promise<{ id: string; subnet: string } | undefined> {
  const all = [...(await networks.list())].map(([id, { owner, subnet }]) => ({ id, owner, subnet }));
  const own = all.filter(({ owner }) => isOfCommand(owner) && owner.resource === name);
  const stacks = all.filter(({ id, owner: { project, stack, resource } }) =>
    [id, resource, `${stack}/${resource}`, `${project}/${stack}/${resource}`].includes(name),
  );
  const [found, ...others] = own.length > 0 ? own : stacks;
  if (others.length === 0) return found;
  throw new CommandError(
    `several networks are named ${name}: ${[found, ...others].map((one) => one?.id ?? "").join(", ")}`,
    "name one by its id: --network ID",
  );
}

async function make(
  { name, address }: NetworkChoice,
  { networks, paths, signal }: Session,
): Promise<{ id: string; subnet: string }> {
  if (name.includes("/"))
    throw new CommandError(`there is no network ${name}`, "see: pulumi stack, which lists those of a stack");
  const [{ newId }, { withLock }] = await Promise.all([
    import("../../provider/engine/ids.js"),
    import("../../provider/host/locks.js"),
  ]);
  const id = newId(name);
  // Two networks of one VM must differ in their addresses: none takes those of another that is made at the same time.
  return withLock(paths.locks, "network-subnets", signal, async () => {
    const subnet = (await subnetAround(address)) ?? firstFree([...(await networks.list()).values()]);
    await networks.create(id, { project: "", stack: "", resource: name }, subnet, signal);
    networks.commitSync([id]);
    return { id, subnet };
  });
}

/** Where a VM shall have a certain address; `undefined` where no network may hold that. */
async function subnetAround(address: string | undefined): Promise<string | undefined> {
  const { networkSchema } = await import("../../provider/schema/network.js");
  const subnet = address?.replace(/\.\d+$/, ".0/24");
  return subnet !== undefined && networkSchema.safeParse({ subnet }).success ? subnet : undefined;
}

function firstFree(networks: readonly Pick<NetworkRecord, "subnet">[]): string {
  const taken = networks.flatMap(({ subnet }) => parseSubnet(subnet) ?? []);
  for (let index = 0; index < SUBNETS; index += 1) {
    const wanted = parseSubnet(nthSubnet(index));
    if (wanted !== undefined && !taken.some((other) => overlap(other, wanted))) return nthSubnet(index);
  }
  throw new CommandError(
    `other networks have all addresses from ${nthSubnet(0)} to ${nthSubnet(SUBNETS - 1)}`,
    "remove those that no VM is in (mayfly prune), or choose an address: --network NAME:10.81.0.5",
  );
}
