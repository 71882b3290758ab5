import type { Context } from "../context";

/** Whether a thing was on a VM of ours that is no more; then there is nothing left to look at or to undo. */
export async function isMachineGone(
  { vmId }: { readonly vmId?: string | undefined },
  { machines }: Pick<Context, "machines">,
): Promise<boolean> {
  return vmId !== undefined && !(await machines.isAlive(vmId));
}

/**
 * Whether nothing on a VM is worth undoing: the VM is gone, or Pulumi removes it next. Pulumi (up to 3.259) removes what is on
 * a VM that has to go first before the VM, also what has `deletedWith`.
 */
export async function isMachineLeaving(
  { vmId }: { readonly vmId?: string | undefined },
  { machines, leaving }: Pick<Context, "machines" | "leaving">,
): Promise<boolean> {
  return (vmId !== undefined && leaving.has(vmId)) || isMachineGone({ vmId }, { machines });
}
