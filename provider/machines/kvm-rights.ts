import { statSync } from "node:fs";
import type { Podman } from "../host/podman";

/** A user's ids, as getuid(2), getgid(2) and getgroups(2) have them. */
export interface Ids {
  readonly uid: number;
  readonly gid: number;
  /** Also groups beside the first. */
  readonly groups: readonly number[];
}

/** Whose containers these are. */
function ownIds(): Ids {
  return { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, groups: process.getgroups?.() ?? [] };
}

/**
 * Whether it takes one of the user's further groups to open a device. A container of podman's without root's rights has
 * the user and the first group, and the others only where its runtime lends them: see {@link kvmArgs}. Pure.
 */
export function needsGroup(
  { mode, uid, gid }: { readonly mode: number; readonly uid: number; readonly gid: number },
  ids: Ids,
): boolean {
  if (ids.uid === 0) return false;
  const may = (bits: number, holds: boolean) => holds && (mode & bits) === bits;
  if (may(0o600, uid === ids.uid) || may(0o060, gid === ids.gid) || may(0o006, true)) return false;
  return may(0o060, ids.groups.includes(gid));
}

/** What decides on that, in a text: as long as it is the same, so is the answer. */
export function rightsOn(device: string, ids = ownIds()): string {
  const { mode, uid, gid } = statSync(device);
  return JSON.stringify([mode, uid, gid, ids.uid, ids.gid, ids.groups]);
}

/** Podman's arguments for a machine's container that is to use KVM. Only crun lends a container its user's groups. */
export function kvmArgs(runtime: string | undefined, ids = ownIds(), device = "/dev/kvm"): string[] {
  const lends = runtime === "crun" && needsGroup(statSync(device), ids);
  return ["--device", device, ...(lends ? ["--group-add", "keep-groups"] : [])];
}

/**
 * Whether what the user may open is open to the user's containers, too. Where a group is needed that the runtime does not
 * lend, a container tries it: there may be an access list, acl(5).
 */
export async function opensInContainer(
  podman: Podman,
  device: string,
  signal: AbortSignal,
  ids = ownIds(),
): Promise<boolean> {
  if (!needsGroup(statSync(device), ids)) return true;
  const { runtime } = await podman.prove(signal);
  if (runtime === "crun") return true;
  const args = ["run", "--rm", "--network", "none", "--read-only", "--cap-drop", "ALL", "--device", device];
  const trial = ["/usr/bin/sh", "-c", 'exec 3<>"$1"', "mayfly", device];
  try {
    await podman.run([...args, ...podman.rootArgs(), ...trial], { signal });
    return true;
  } catch {
    signal.throwIfAborted();
    return false;
  }
}
