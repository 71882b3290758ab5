import type { Owner } from "../../provider/context";
import type { MachineRecord } from "../../provider/machines/record";
import type { Session } from "../rooms";
import { CommandError } from "../trouble";

/** A machine that is on record. */
export interface FoundVM {
  readonly id: string;
  readonly record: MachineRecord;
}

/** Whether a thing was made by the command, and not by a stack. */
export function isOfCommand({ project, stack }: Pick<Owner, "project" | "stack">): boolean {
  return project === "" && stack === "";
}

/** The stack that a thing belongs to: `project/stack`; empty for the command's own. */
export function stackOf(owner: Owner): string {
  return isOfCommand(owner) ? "" : `${owner.project}/${owner.stack}`;
}

/** All machines; not those that only exist to become a template. */
export async function allVMs({ machines }: Pick<Session, "machines">): Promise<FoundVM[]> {
  const all = [...(await machines.list())].map(([id, record]) => ({ id, record }));
  return all.filter(({ record }) => record.image !== undefined || record.phase !== "starting");
}

/**
 * The machines that a name may mean. The first rule that fits one counts: its id; the name of one of the command's own;
 * the name of a stack's, with as much of `project/stack/` before it as is needed.
 */
export function matching(name: string, vms: readonly FoundVM[]): readonly FoundVM[] {
  const rules: readonly ((vm: FoundVM) => boolean)[] = [
    ({ id }) => id === name,
    ({ record: { owner } }) => isOfCommand(owner) && owner.resource === name,
    ({ record: { owner } }) => `${owner.project}/${owner.stack}/${owner.resource}` === name,
    ({ record: { owner } }) => owner.resource === name || `${owner.stack}/${owner.resource}` === name,
  ];
  for (const rule of rules) {
    const found = vms.filter(rule);
    if (found.length > 0) return found;
  }
  return [];
}

/** The one machine with a name, if there is one. Throws where several have it. */
export async function lookUpVM(name: string, session: Session): Promise<FoundVM | undefined> {
  const [found, ...others] = matching(name, await allVMs(session));
  if (others.length === 0) return found;
  const names = [found, ...others].map((vm) => (vm === undefined ? "" : `${stackOf(vm.record.owner)} has ${vm.id}`));
  throw new CommandError(`several VMs are named ${name}: ${names.join(", ")}`, "name one by its id");
}

/** The machine with a name. Throws where there is none, with the name that was probably meant. */
export async function findVM(name: string, session: Session): Promise<FoundVM> {
  const found = await lookUpVM(name, session);
  if (found !== undefined) return found;
  throw await noSuchVM(name, session);
}

/** Throws for a machine that was stopped: there is nothing to work with, or to find out about. */
export function refuseStopped(name: string, { record }: FoundVM): void {
  if (record.stoppedAt !== undefined) throw new CommandError(`${name} is stopped`, `mayfly start ${name}`);
}

/** The machine with a name, as long as it runs. */
export async function findRunningVM(name: string, session: Session): Promise<FoundVM> {
  const found = await findVM(name, session);
  const { id, record } = found;
  if (await session.machines.isAlive(id)) return found;
  if (record.phase === "starting")
    throw new CommandError(`${name} is not up yet`, "wait for whoever makes it, and try again");
  refuseStopped(name, found);
  const remedy = isOfCommand(record.owner) ? `boot it again: mayfly start ${name}` : "bring it back: pulumi up";
  throw new CommandError(`${name} does not run any more`, remedy);
}

/**
 * The machine with a name, as long as it is the command's own: what its stack's state says of another must stay true.
 *
 * @param what That can't be done to a stack's: `stopped`.
 * @param remedy What to do with that one.
 */
export async function findOwnVM(name: string, session: Session, what: string, remedy: string): Promise<FoundVM> {
  const found = await findVM(name, session);
  const { owner } = found.record;
  if (isOfCommand(owner)) return found;
  throw new CommandError(`${name} belongs to the stack ${stackOf(owner)}, and can't be ${what} apart from it`, remedy);
}

/** The error for a name that no machine has. */
export async function noSuchVM(name: string, session: Session): Promise<CommandError> {
  const { nearest } = await import("../../provider/engine/nearest.js");
  const names = (await allVMs(session)).map(({ record }) => record.owner.resource);
  const meant = nearest(name, names);
  return new CommandError(`there is no VM ${name}`, meant === undefined ? "see: mayfly ls" : `did you mean ${meant}?`);
}
