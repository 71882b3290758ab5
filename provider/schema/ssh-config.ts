import { z } from "zod";
import { connection, text } from "./fields";
import { target } from "./remote-fields";

const ALIAS_WANTED = "must be a name of letters, digits, ., _ and -, which does not begin with a hyphen";

const names = z.array(text);

/** Inputs of {@link SshConfig}. */
export const sshConfigSchema = z.strictObject({
  /** Where to connect, and the VM. */
  ...target,
  /** The name: `ssh ALIAS`. @default the resource's name */
  alias: z
    .string({ error: ALIAS_WANTED })
    .regex(/^[\w.][\w.-]*$/, ALIAS_WANTED)
    .optional(),
  /** User to log in as. @default that of the connection */
  user: text.optional(),
  /**
   * Path of the private key to log in with, for a `user` who has another one; may begin with `~/`.
   * @default the connection's key
   */
  identityFile: text.optional(),
  /**
   * Adds a line to your `~/.ssh/config` that includes this configuration, so that `ssh ALIAS` needs no `-F` and editors
   * find the VM. The line goes with the resource; the rest of the file stays as it is. @default false
   */
  include: z.boolean().default(false),
  /** Names of the networks that the VM to go through is in; the SDK fills them in, from a VM. */
  proxyJump: names.optional(),
  /** How to connect to the VM to go through. Secret: holds a private key. */
  jumpConnection: connection.optional(),
  /** The id of the VM to go through. */
  jumpId: text.optional(),
  /** Names of the networks that the VM is in. @default [] */
  networks: names.default([]),
  /** The VM's address in each of them. @default [] */
  addresses: names.default([]),
});

/** What a program may write. */
export type SshConfigInputs = z.input<typeof sshConfigSchema>;
/** Checked, defaults filled in. */
export type SshConfigSpec = z.output<typeof sshConfigSchema>;
