import * as pulumi from "@pulumi/pulumi";
import type { CopyFileInputs } from "../provider/schema/copy-file";
import { secret, withSecrets, type Inputs } from "./inputs";
import type { VM } from "./vm";

/** A VM, or any other SSH host. Exactly one of the two. */
export interface Target {
  /**
   * The VM: fills `connection`, and ties this resource's life to the VM's. With a new VM it is made anew; with the VM
   * it goes, and nothing is done on a machine that goes or is gone.
   */
  vm?: VM | undefined;
  /** How to connect, if not to a `vm`. Secret: holds a private key. */
  connection?: Inputs<Pick<CopyFileInputs, "connection">>["connection"] | undefined;
}

/** The inputs that name the target. */
export function targetInputs({ vm, connection }: Target): Record<string, unknown> {
  return { connection: secret(connection ?? vm?.connection), vmId: vm?.id };
}

/** Options that tie a resource to its VM. */
export function targetOptions(
  { vm }: Target,
  options: pulumi.CustomResourceOptions | undefined,
  ...secrets: string[]
): pulumi.CustomResourceOptions {
  const ties = vm === undefined ? {} : { deletedWith: vm, dependsOn: [vm] };
  return pulumi.mergeOptions(ties, withSecrets(options, "connection", ...secrets));
}
