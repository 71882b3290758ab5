import type { MachineSight } from "../machines/inspection";

/** How remedies name a machine, and what is done with it. */
export interface MachineWords {
  /** As commands take it. */
  readonly name: string;
  /** Name of its container. */
  readonly container: string;
  /** Who logs in. */
  readonly user: string;
  /** How to get it back, once it has ended. */
  readonly bringBack: string;
  /** How to have it boot anew, or get a new one in its place, although its qemu runs. */
  readonly replace: string;
  /** How a private network of it gets its switch back. */
  readonly reconnect: string;
  /** How to get a new one, where a network that it is in is gone. */
  readonly anew: string;
}

/**
 * Finds the words. What ends a machine of the command's leaves its disk, so it is started again, and one that hangs is
 * stopped first: to remove it would be to lose what is there.
 *
 * @param name As commands take it: a name where that is the only one, else its id.
 */
export function wordsFor(
  id: string,
  name: string,
  user: string,
  { record, canStartAgain }: Pick<MachineSight, "record" | "canStartAgain">,
): MachineWords {
  const isOfStack = record !== undefined && record.owner.stack !== "";
  const anew = `mayfly rm ${name}, and run it again`;
  return {
    ...{ name, user, container: `mayfly-${id}` },
    anew: isOfStack ? "pulumi refresh, then pulumi up" : anew,
    reconnect: isOfStack ? "pulumi up" : `mayfly start ${name}`,
    bringBack: isOfStack ? "pulumi up" : canStartAgain ? `mayfly start ${name}` : anew,
    replace: isOfStack
      ? `mayfly rm --force ${name}, and pulumi up`
      : canStartAgain
        ? `mayfly stop ${name}, and mayfly start ${name}`
        : anew,
  };
}

/** What is done as root in a guest that nobody can log in to over SSH. */
export function inGuest({ name, replace }: MachineWords, command: string): string {
  return `as root in the guest, at its console (mayfly console ${name}): ${command}; or else: ${replace}`;
}

/** What is done as root in a guest that one can log in to. */
export function asRoot({ name, user }: MachineWords, command: string): string {
  if (user === "root") return `mayfly exec ${name} -- ${command}`;
  return `mayfly exec ${name} -- sudo ${command}; where ${user} may not: as root at its console (mayfly console ${name})`;
}

/** What is done about too little memory. */
export const MORE_MEMORY =
  "declare more `memory` (--memory); what is written to / counts as well, but for a VM with a `disk` (--disk)";
