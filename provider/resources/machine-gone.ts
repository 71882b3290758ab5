import type { Context } from "../context";

/** Whether a thing was on a VM of ours that is no more; then there is nothing left to look at or to undo. */
export async function isMachineGone(
  { vmId }: { readonly vmId?: string | undefined },
  { machines }: Pick<Context, "machines">,
): Promise<boolean> {
  return vmId !== undefined && !(await machines.isAlive(vmId));
}
