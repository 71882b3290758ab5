import * as pulumi from "@pulumi/pulumi";
import type { SshConfigInputs } from "../provider/schema/ssh-config";
import { common, isOfKind, pending, withSecrets, type Inputs } from "./inputs";
import { targetInputs, type Target } from "./on-vm";
import { trampoline } from "./trampoline";

const provider = trampoline("SshConfig"); // one object a kind: Pulumi serialises it once

/** Arguments of {@link SshConfig}. */
export interface SshConfigArgs extends Target, Omit<Inputs<SshConfigInputs>, "connection" | "vmId"> {}

/**
 * A configuration for OpenSSH's client, by which `ssh`, `scp`, `sftp`, `rsync`, git and the remote modes of editors reach
 * a VM by its name: with the pinned host key, the VM's own key and no other, one connection for all sessions, keep-alive.
 * With `include: true` without `-F`. It goes with the resource, and what it added to `~/.ssh/config` goes with it.
 *
 * Fails with `BAD_INPUT` for a name that another included host has already.
 *
 * @example
 * const ssh = new mayfly.SshConfig("web", { vm, include: true });
 * export const login = ssh.command; // ssh web
 */
export class SshConfig extends pulumi.dynamic.Resource {
  /** Path of the configuration, for `ssh -F` or an `Include` of your own. */
  declare readonly path: pulumi.Output<string>;
  /** The name by which ssh knows the VM. */
  declare readonly hostAlias: pulumi.Output<string>;
  /** What logs in: `ssh web`, or `ssh -F PATH web`. */
  declare readonly command: pulumi.Output<string>;

  /** @param args `vm` or `connection`. */
  constructor(name: string, args: SshConfigArgs, options?: pulumi.CustomResourceOptions) {
    const { vm: _vm, connection: _connection, ...rest } = args;
    super(
      provider,
      name,
      { ...pending("path", "hostAlias", "command"), ...rest, ...targetInputs(args), ...common(name, options) },
      // Not gone by itself with its VM: there may be a line in a file of the user's.
      withSecrets(options, "connection"),
      "mayfly",
      "SshConfig",
    );
  }

  /** Whether an object is an SshConfig, also one of another copy of this package. */
  static override isInstance(object: unknown): object is SshConfig {
    return isOfKind(object, "SshConfig");
  }
}
