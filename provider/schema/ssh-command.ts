import { z } from "zod";
import { commandText, duration, environment, text } from "./fields";
import { target } from "./remote-fields";

/** Inputs of {@link SshCommand}: those of `remote.Command` in `@pulumi/command`, and a few more. */
export const sshCommandSchema = z.strictObject({
  /**
   * Where to run, and the VM. A new way to the same VM runs nothing; a new VM means that the command runs again. On a host
   * that is no VM of ours a new host, port or user runs `update`, or else `create`, there.
   */
  ...target,
  /** Runs when the resource is made, and when an input changes and there is no `update`. */
  create: commandText.optional(),
  /** Runs instead of `create` when an input changes. */
  update: commandText.optional(),
  /** Runs when the resource is deleted; not when its VM goes too. */
  delete: commandText.optional(),
  /**
   * Runs at `pulumi refresh`, to see whether what `create` made is still there. An exit code that is not allowed says that it
   * is gone: `create` runs again at the next `up`, without `delete` before it.
   */
  read: commandText.optional(),
  /** Values of your choice; a change of any runs `delete`, if there is one, and then `create` again. */
  triggers: z.array(z.unknown()).optional(),
  /** Text for the command's standard input. */
  stdin: z.string().optional(),
  /** Variables for the command. Need no AcceptEnv in sshd; never in process arguments. @default {} */
  environment: environment.default({}),
  /** What of the command's output is printed while it runs. @default "stdoutAndStderr" */
  logging: z.enum(["stdout", "stderr", "stdoutAndStderr", "none"]).default("stdoutAndStderr"),
  /** Gives update and delete the last output as PULUMI_COMMAND_STDOUT and PULUMI_COMMAND_STDERR. @default true */
  addPreviousOutputInEnv: z.boolean().default(true),
  /** Longest run of one command: seconds, or `"5m"`. Then its process group is ended: `COMMAND_TIMEOUT`. @default 3600 */
  timeout: duration.default(3_600),
  /** Exit codes that count as success. @default [0] */
  allowedExitCodes: z.array(z.int().min(0).max(255)).min(1).default([0]),
  /** A `delete` command that fails is a warning, not an error. @default false */
  ignoreDeleteErrors: z.boolean().default(false),
  /**
   * Program and arguments that take the command as the argument after them: `["python3", "-c"]`. Like any argument it
   * is visible among the guest's processes then; the login shell reads it unseen. @default the login shell
   */
  interpreter: z.array(text).min(1).optional(),
  /** Working directory; `~` stands for the user's home. @default the home */
  directory: text.optional(),
  /**
   * The output is a secret: encrypted in the state, never printed, and neither are the commands.
   * @default whether one of the commands, `interpreter`, `stdin` or `environment` is secret
   */
  secretOutput: z.boolean().default(false),
  /** Most bytes kept of each of stdout and stderr; more is an error. @default 10485760 */
  maxOutputBytes: z.int().min(1).default(10_485_760),
});

/** What a program may write. */
export type SshCommandInputs = z.input<typeof sshCommandSchema>;
/** Checked, defaults filled in. */
export type SshCommandSpec = z.output<typeof sshCommandSchema>;
