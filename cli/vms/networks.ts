import type { NetworkChoice } from "../args/machine";
import type { Session } from "../rooms";
import { CommandError } from "../trouble";
import { isOfCommand } from "./find";

const DEFAULT_SUBNET = "10.80.0.0/24";

/** A private network, as a VM's inputs name it. */
export interface JoinedNetwork {
  /** Its id; made here where there was none. */
  readonly id: string;
  readonly membership: { readonly network: string; readonly subnet: string; readonly address?: string };
}

/** Finds private networks by name, the command's own first, then those of stacks; makes what is missing. */
export async function joinNetworks(
  choices: readonly NetworkChoice[],
  session: Session,
): Promise<readonly JoinedNetwork[]> {
  const joined: JoinedNetwork[] = [];
  for (const { name, address } of choices) {
    const { id, subnet } = (await find(name, session)) ?? (await make(name, session));
    joined.push({ id, membership: { network: name, subnet, ...(address !== undefined && { address }) } });
  }
  return joined;
}

/** Removes those of some private networks that are the command's own and that no machine is in any more. Returns their names. */
export async function removeEmptyNetworks(
  ids: ReadonlySet<string>,
  { networks, machines, signal }: Pick<Session, "networks" | "machines" | "signal">,
): Promise<readonly string[]> {
  const seats = [...(await machines.list()).values()].flatMap((record) => record.seats ?? []);
  const removed: string[] = [];
  for (const [id, { owner }] of await networks.list()) {
    if (!ids.has(id) || !isOfCommand(owner) || seats.some(({ network }) => network === id)) continue;
    await networks.remove(id, signal);
    removed.push(owner.resource);
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

async function make(name: string, { networks, signal }: Session): Promise<{ id: string; subnet: string }> {
  const { newId } = await import("../../provider/engine/ids.js");
  const id = newId(name);
  await networks.create(id, { project: "", stack: "", resource: name }, DEFAULT_SUBNET, signal);
  networks.commitSync([id]);
  return { id, subnet: DEFAULT_SUBNET };
}
