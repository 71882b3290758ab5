import type { Context } from "./context";
import { isAlive } from "./host/process-identity";
import { sameOwner, type MachineRecord } from "./machines/record";

/**
 * Removes what a crash has left: machines and networks whose maker died before they were finished, machines whose time is
 * over, and what was finished for the same resource but Pulumi never heard of. Runs before a machine or a network is made,
 * and after one is removed.
 */
export async function reap({
  machines,
  networks,
  owner,
  known,
  signal,
  say,
}: Pick<Context, "machines" | "networks" | "owner" | "known" | "signal" | "say">): Promise<void> {
  for (const room of [machines, networks]) {
    for (const [id, record] of await room.list()) {
      const reason = leftover(record, Date.now() / 1_000, known.has(id), sameOwner(record.owner, owner));
      if (reason === undefined) continue;
      say(`removing ${id}: ${reason}`);
      await room.remove(id, signal);
    }
    // Not removed here: it may run, and be another stack's.
    for (const id of await room.unreadable())
      say(`warning: the record of ${id} cannot be read; what is left of it goes with: mayfly prune`);
  }
}

/** The same where something is removed, which must not fail for what others have left. */
export async function reapBeside(context: Parameters<typeof reap>[0]): Promise<void> {
  try {
    await reap(context);
  } catch (error) {
    context.say(`warning: what a crash has left could not be removed: ${(error as Error).message}`);
  }
}

/** Why a thing is nobody's any more; `undefined` when it is somebody's. Pure but for the look at its maker. */
export function leftover(
  record: Pick<MachineRecord, "phase" | "madeBy" | "expiresAt"> & {
    readonly owner?: Pick<MachineRecord["owner"], "session">;
  },
  now: number,
  known: boolean,
  ownersNext: boolean,
  makerAlive = isAlive(record.madeBy),
): string | undefined {
  if (hasExpired(record, now, makerAlive)) return "its time was over";
  if (hasLostSession(record)) return "its session has ended";
  if (makerAlive || record.phase === "committed" || known) return undefined;
  if (record.phase === "starting") return "the process that made it died before it was finished";
  return ownersNext ? "Pulumi ended before it could note that it exists" : undefined;
}

/**
 * Whether it may be nobody's: it is finished for a stack, but the run that made it was killed, and no run since has named
 * it. Only the stack's state can tell.
 */
export function isDoubtful({ phase, madeBy, owner }: Pick<MachineRecord, "phase" | "madeBy" | "owner">): boolean {
  return owner.stack !== "" && phase === "ready" && !isAlive(madeBy);
}

/** Not while it is being made: in records of former versions its time runs already. */
function hasExpired(
  { phase, expiresAt }: Pick<MachineRecord, "phase" | "expiresAt">,
  now: number,
  makerAlive: boolean,
): boolean {
  if (phase === "starting" && makerAlive) return false;
  return expiresAt !== undefined && expiresAt < now;
}

function hasLostSession({ owner }: { readonly owner?: Pick<MachineRecord["owner"], "session"> }): boolean {
  return owner?.session !== undefined && !isAlive(owner.session);
}
