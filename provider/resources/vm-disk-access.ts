import { existsSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { isDeepStrictEqual } from "node:util";
import type { Context } from "../context";
import { MayflyError } from "../errors";
import type { Access } from "../machines/spec";
import type { Endpoint } from "../ssh/endpoint";
import { onVM, endpointOfVM, type VMConnection } from "./vm-connection";
import { settle } from "./vm-of-disk";

// Who may log in to a VM that boots from a disk image is changed by one who logs in there. Whatever ends a change half-way
// must not leave keys in force that nobody has: so they are in the VM's folder before they are in the guest.

/** In the VM's folder while a change is under way, or was ended half-way: ways in that may be the ones in force. */
const FILE = "connections.next.json";

/** What a change needs of its context. */
type Asker = Pick<Context, "machines" | "ssh" | "owner" | "signal">;

/** Who may log in from now on, and the way in that is then ours. */
export interface NextAccess {
  readonly access: Access;
  readonly connection: VMConnection;
}

/** Whether a change was begun and has not come to its end. */
export function isHalfSettled(id: string, machines: Context["machines"]): boolean {
  return existsSync(machines.file(id, FILE));
}

/**
 * Settles who may log in to a guest that is in use, by whichever way in is in force: the saved one, unless an earlier
 * change was ended before it was saved. To be followed by {@link endSettling}, once the new way is kept.
 *
 * @throws {MayflyError} As `settle`; that the login is refused only when it is by all ways.
 */
export async function settleAgain(id: string, saved: VMConnection, next: NextAccess, context: Asker): Promise<void> {
  const { machines, signal } = context;
  const begun = await readBegun(id, machines);
  await machines.keepFile(id, FILE, JSON.stringify(distinct([...begun, next.connection])));
  const ways = distinct<Endpoint>([saved, ...(await kept(id, context)), ...begun, next.connection]);
  let refusal: unknown;
  for (const way of ways) {
    try {
      await settle(await onVM(id, way, context), next.access, undefined, context, signal);
      return;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      refusal ??= error;
    }
  }
  throw refusal;
}

/** The new way in is where everybody looks for it. */
export async function endSettling(id: string, machines: Context["machines"]): Promise<void> {
  await rm(machines.file(id, FILE), { force: true });
}

async function readBegun(id: string, machines: Context["machines"]): Promise<readonly VMConnection[]> {
  const text = await readFile(machines.file(id, FILE), "utf8").catch(() => "[]");
  try {
    return JSON.parse(text) as VMConnection[];
  } catch {
    return []; // ended while it was written: nothing has been sent to the guest since
  }
}

/** The way that the VM keeps: newer than the saved one where a change was ended in its last moment. */
async function kept(id: string, context: Asker): Promise<readonly Endpoint[]> {
  const way = await endpointOfVM(id, context).catch(() => undefined);
  if (way === undefined) return [];
  const { isEmulated, log, ...plain } = way;
  return [plain];
}

/** Each once, in their order. */
function distinct<T>(ways: readonly T[]): readonly T[] {
  return ways.filter((way, index) => ways.findIndex((other) => isDeepStrictEqual(other, way)) === index);
}

/** Whether the guest does not let this way in, or this host cannot try it: nothing has been asked of the guest. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof MayflyError)) return false;
  return error.code === "BAD_KEY" || (error.code === "CONNECT_FAILED" && error.message.includes("refused the login"));
}
