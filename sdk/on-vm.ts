import * as pulumi from "@pulumi/pulumi";
import type { CopyFileInputs } from "../provider/schema/copy-file";
import { isOfKind, secret, withSecrets, type Inputs } from "./inputs";
import type { Connection, VM } from "./vm";

/** A VM, or any other SSH host. With both, the connection is another way to that VM: by a proxy, as another user. */
export interface Target {
  /**
   * The VM: fills `connection`, and ties this resource's life to the VM's. With a new VM it is made anew; with the VM
   * it goes, and nothing is done on a VM that goes or is gone.
   */
  vm?: VM | undefined;
  /** How to connect, if not to a `vm`. Secret: holds a private key. */
  connection?: Inputs<{ connection: Omit<CopyFileInputs["connection"], "keyOf"> }>["connection"] | undefined;
}

/** How to reach a VM: no secret, and what logs in is that of the VM `keyOf`. */
type Way = Pick<Connection, "host" | "port" | "user" | "hostKey" | "agentSocketPath"> & { readonly keyOf: string };

/** The inputs that name the target. */
export function targetInputs({ vm, connection }: Target): Record<string, unknown> {
  refuseStranger(vm);
  return { connection: vm === undefined || connection !== undefined ? secret(connection) : wayTo(vm), vmId: vm?.id };
}

/** Refuses what TypeScript would not let pass as a VM, in words of ours. */
function refuseStranger(vm: unknown): void {
  if (vm === undefined || isOfKind(vm, "VM")) return;
  const seen = vm === null ? "null" : pulumi.Output.isInstance(vm) ? "an output" : `a ${typeof vm}`;
  throw new pulumi.RunError(`vm: must be a mayfly.VM itself, got ${seen}; for any other SSH host there is connection`);
}

/**
 * The way to a VM without what logs in, which the provider finds in the VM's folder. So no resource but the VM has its
 * key in the state, which Pulumi would encrypt twice for each of them.
 */
export function wayTo(vm: VM): pulumi.Output<Way> {
  const open = ({ host, port, user, hostKey, agentSocketPath }: Connection) => ({
    ...{ host, port, user, hostKey },
    ...(agentSocketPath !== undefined && { agentSocketPath }),
  });
  return pulumi.unsecret(pulumi.all([vm.connection.apply(open), vm.id])).apply(([way, keyOf]) => ({ ...way, keyOf }));
}

/** The outputs of the target's that are secret. */
export function secretsOf({ vm, connection }: Target): string[] {
  return vm === undefined || connection !== undefined ? ["connection"] : [];
}

/** Options that tie a resource to its VM: it goes with it, and nothing is done for that. */
export function targetOptions(
  target: Target,
  options: pulumi.CustomResourceOptions | undefined,
  ...secrets: string[]
): pulumi.CustomResourceOptions {
  const ties = target.vm === undefined ? {} : { deletedWith: target.vm };
  return pulumi.mergeOptions(ties, followerOptions(target, options, ...secrets));
}

/**
 * Options of what moves to a new VM instead of being made anew. Without `deletedWith`, for which Pulumi replaces with the VM
 * whatever has it (from the release after 3.259 on, pulumi#23818), without asking the provider.
 */
export function followerOptions(
  target: Target,
  options: pulumi.CustomResourceOptions | undefined,
  ...secrets: string[]
): pulumi.CustomResourceOptions {
  const ties = target.vm === undefined ? {} : { dependsOn: [target.vm] };
  return pulumi.mergeOptions(ties, withSecrets(options, ...secretsOf(target), ...secrets));
}
