import * as pulumi from "@pulumi/pulumi";
import type { SshCommandInputs } from "../provider/schema/ssh-command";
import { common, pending, withSecrets, type Inputs } from "./inputs";
import { trampoline } from "./trampoline";
import type { VM } from "./vm";

const provider = trampoline("SshCommand");

/** Arguments of {@link SshCommand}: those of `remote.Command` in `@pulumi/command`, and more. */
export interface SshCommandArgs extends Omit<Inputs<SshCommandInputs>, "connection" | "vmId"> {
  /** The VM to run on: fills `connection`, and ties the command's life to the VM's. */
  vm?: VM;
  /** Where to run, if not on a `vm`. */
  connection?: Inputs<SshCommandInputs>["connection"];
}

/**
 * A command that runs over SSH when it is made, changed, deleted.
 *
 * @example
 * const uname = new mayfly.SshCommand("uname", { vm, create: "uname -r" });
 * export const kernel = uname.stdout;
 */
export class SshCommand extends pulumi.dynamic.Resource {
  /** What the last command wrote to its standard output, without the last newline. */
  declare readonly stdout: pulumi.Output<string>;
  /** The same of its standard error. */
  declare readonly stderr: pulumi.Output<string>;
  /** Its exit code. */
  declare readonly exitCode: pulumi.Output<number>;
  /** How long it ran, in seconds. */
  declare readonly durationSeconds: pulumi.Output<number>;

  /** @param args `vm` or `connection`, and what to run. */
  constructor(name: string, args: SshCommandArgs, options?: pulumi.CustomResourceOptions) {
    const { vm, ...rest } = args;
    const target = vm === undefined ? {} : { connection: vm.connection, vmId: vm.id };
    const secretOutput = args.secretOutput ?? anySecret(args.create, args.update, args.stdin, args.environment);
    super(
      provider,
      name,
      {
        ...pending("stdout", "stderr", "exitCode", "durationSeconds"),
        ...{ ...target, ...rest, secretOutput },
        ...common(name, options),
      },
      // The VM's end is the command's end: nothing is run on a machine that goes or is gone.
      pulumi.mergeOptions(vm === undefined ? {} : { deletedWith: vm }, withSecrets(options, "connection")),
      "mayfly",
      "SshCommand",
    );
  }
}

/** Whether any of the values is a secret. */
function anySecret(...values: unknown[]): pulumi.Output<boolean> {
  return pulumi
    .output(Promise.all(values.map((value) => pulumi.isSecret(pulumi.output(value)))))
    .apply((found) => found.includes(true));
}
