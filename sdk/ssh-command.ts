import * as pulumi from "@pulumi/pulumi";
import type { SshCommandInputs } from "../provider/schema/ssh-command";
import { common, given, isOfKind, pending, type Inputs } from "./inputs";
import { targetInputs, targetOptions, type Target } from "./on-vm";
import { DynamicResource } from "./dynamic-resource";

/** Arguments of {@link SshCommand}: those of `remote.Command` in `@pulumi/command`, and more. */
export interface SshCommandArgs extends Target, Omit<Inputs<SshCommandInputs>, "connection" | "vmId"> {}

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
export class SshCommand extends DynamicResource {
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
    args = given(args);
    const { vm: _vm, connection: _connection, ...rest } = args;
    const { create, update, delete: remove, read, interpreter, stdin, environment } = args;
    const secretOutput = args.secretOutput ?? anySecret(create, update, remove, read, interpreter, stdin, environment);
    super(
      "SshCommand",
      name,
      {
        ...pending("stdout", "stderr", "exitCode", "durationSeconds"),
        ...{ ...rest, ...targetInputs(args), secretOutput },
        ...common(name, options),
      },
      targetOptions(args, options),
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
