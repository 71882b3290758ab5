import * as pulumi from "@pulumi/pulumi";
import type { SshCommandInputs } from "../provider/schema/ssh-command";
import { common, isOfKind, pending, secret, withSecrets, type Inputs } from "./inputs";
import { trampoline } from "./trampoline";
import type { VM } from "./vm";

const provider = trampoline("SshCommand"); // one object a kind: Pulumi serialises it once

/** Arguments of {@link SshCommand}: those of `remote.Command` in `@pulumi/command`, and more. */
export interface SshCommandArgs extends Omit<Inputs<SshCommandInputs>, "connection" | "vmId"> {
  /**
   * The VM to run on: fills `connection`, and ties the command's life to the VM's. With a new VM the command runs
   * again; with the VM it goes, without its `delete` being run.
   */
  vm?: VM | undefined;
  /** Where to run, if not on a `vm`. Secret: holds a private key. A change alone runs nothing. */
  connection?: Inputs<SshCommandInputs>["connection"] | undefined;
}

/**
 * A command that runs over SSH when the resource is made, when an input changes, and when it is deleted.
 *
 * Fails with `CONNECT_FAILED`, `HOST_KEY_MISMATCH`, `COMMAND_FAILED` (an exit code that is not allowed; the error shows
 * the last lines) and `COMMAND_TIMEOUT`.
 *
 * @example
 * const uname = new mayfly.SshCommand("uname", { vm, create: "uname -r" });
 * export const kernel = uname.stdout;
 *
 * @example
 * new mayfly.SshCommand("user", { vm, create: "useradd -m ada", delete: "userdel -r ada", triggers: [version] });
 */
export class SshCommand extends pulumi.dynamic.Resource {
  /** What the last command wrote to its standard output, without the last newline. Secret with `secretOutput`. */
  declare readonly stdout: pulumi.Output<string>;
  /** The same of its standard error. Secret with `secretOutput`. */
  declare readonly stderr: pulumi.Output<string>;
  /** Its exit code: one of `allowedExitCodes`. */
  declare readonly exitCode: pulumi.Output<number>;
  /** How long it ran, in seconds. */
  declare readonly durationSeconds: pulumi.Output<number>;

  /** @param args `vm` or `connection`, and what to run. */
  constructor(name: string, args: SshCommandArgs, options?: pulumi.CustomResourceOptions) {
    const { vm, ...rest } = args;
    const target = { connection: secret(args.connection ?? vm?.connection), vmId: vm?.id };
    const secretOutput = args.secretOutput ?? anySecret(args.create, args.update, args.stdin, args.environment);
    super(
      provider,
      name,
      {
        ...pending("stdout", "stderr", "exitCode", "durationSeconds"),
        ...{ ...rest, ...target, secretOutput },
        ...common(name, options),
      },
      // The VM's end is the command's end: nothing is run on a machine that goes or is gone.
      pulumi.mergeOptions(
        vm === undefined ? {} : { deletedWith: vm, dependsOn: [vm] },
        withSecrets(options, "connection"),
      ),
      "mayfly",
      "SshCommand",
    );
  }

  /** Whether an object is an SshCommand, also one of another copy of this package. */
  static override isInstance(object: unknown): object is SshCommand {
    return isOfKind(object, "SshCommand");
  }
}

/** Whether any of the values is a secret, or holds one. */
function anySecret(...values: unknown[]): pulumi.Output<boolean> {
  return pulumi
    .output(Promise.all(values.map((value) => pulumi.isSecret(pulumi.output(value)))))
    .apply((found) => found.includes(true));
}
