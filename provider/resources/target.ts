import { isDeepStrictEqual } from "node:util";
import type { Endpoint } from "../ssh/endpoint";

/** What a thing over SSH is on: a host, or with `vmId` a VM of ours and a way to it. */
interface OnHost {
  readonly connection: Endpoint;
  readonly vmId?: string | undefined;
}

/** The same of new inputs at preview, of which any part may be unknown. */
interface Wanted {
  readonly connection?: unknown;
  readonly vmId?: unknown;
}

/**
 * Whether the way to a VM is the VM's own, of which nothing is saved but the VM's name: whatever changes in it (an address,
 * a key) is found in the VM's folder when it is needed, so that it is no change of what is on the VM. Any other way comes
 * from the program, and is to be known as it is now.
 */
export function isOwnWay({ connection, vmId }: Wanted): boolean {
  if (typeof connection === "object" && connection !== null)
    return "keyOf" in connection && connection.keyOf !== undefined;
  return vmId !== undefined; // not known yet
}

/** The names of inputs that are no change by themselves. */
export function ignoredWay(wanted: Wanted): "connection"[] {
  return isOwnWay(wanted) ? ["connection"] : [];
}

/**
 * Whether a host that is not a VM of ours is another one now, or another user's. As with `remote.Command`, what is declared
 * is then done there; what was done on the former one stays. Another key or proxy leads to the same place.
 */
export function isElsewhere(saved: OnHost, next: OnHost): boolean {
  if (saved.vmId !== undefined || next.vmId !== undefined) return false;
  const place = ({ host, port, user }: Endpoint) => [host, port, user];
  return !isDeepStrictEqual(place(saved.connection), place(next.connection));
}
