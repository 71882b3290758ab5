import type * as pulumi from "@pulumi/pulumi";
import type { SshConfigInputs } from "../provider/schema/ssh-config";
import { common, given, isOfKind, pending, withSecrets, type Inputs } from "./inputs";
import { secretsOf, targetInputs, wayTo, type Target } from "./on-vm";
import { DynamicResource } from "./dynamic-resource";
import { networksOf, type VM } from "./vm";

/** Arguments of {@link SshConfig}. */
export interface SshConfigArgs
  extends Target, Pick<Inputs<SshConfigInputs>, "alias" | "user" | "identityFile" | "include"> {
  /**
   * A VM to go through, as OpenSSH's `ProxyJump` does: to `vm` by the private network that both are in, at its address
   * there; to the host of `connection` as that VM reaches it. Both host keys are pinned, and each VM is logged in to with
   * its own key.
   */
  proxyJump?: VM | undefined;
}

/**
 * A configuration for OpenSSH's client, by which `ssh`, `scp`, `sftp`, `rsync`, git and the remote modes of editors reach
 * a VM by its name: with the pinned host key, the VM's own key and no other, one connection for all sessions, keep-alive.
 * With `include: true` without `-F`. It goes with the resource, and what it added to `~/.ssh/config` goes with it.
 *
 * Fails with `BAD_INPUT` for a name that another included host has already, at preview for a `proxyJump` that is in no
 * network with `vm`.
 *
 * @example
 * const ssh = new mayfly.SshConfig("web", { vm, include: true });
 * export const login = ssh.command; // ssh web
 *
 * @example
 * const db = new mayfly.VM("db", { image, network: "isolated", networks: [{ network }] });
 * new mayfly.SshConfig("db", { vm: db, proxyJump: web }); // by way of web, which is in the network too
 */
export class SshConfig extends DynamicResource {
  /** Path of the configuration, for `ssh -F` or an `Include` of your own. */
  declare readonly path: pulumi.Output<string>;
  /** The name by which ssh knows the VM. */
  declare readonly hostAlias: pulumi.Output<string>;
  /** What logs in: `ssh web`, or `ssh -F PATH web`. */
  declare readonly command: pulumi.Output<string>;

  /** @param args `vm` or `connection`. */
  constructor(name: string, args: SshConfigArgs, options?: pulumi.CustomResourceOptions) {
    args = given(args);
    const { vm: _vm, connection: _connection, proxyJump: _jump, ...rest } = args;
    super(
      "SshConfig",
      name,
      {
        ...pending("path", "hostAlias", "command"),
        ...rest,
        ...targetInputs(args),
        ...jumpInputs(args),
        ...common(name, options),
      },
      // Not gone by itself with its VM: there may be a line in a file of the user's.
      withSecrets(options, ...secretsOf(args)),
    );
  }

  /** Whether an object is an SshConfig, also one of another copy of this package. */
  static override isInstance(object: unknown): object is SshConfig {
    return isOfKind(object, "SshConfig");
  }
}

/** The wire's form of `proxyJump`: the networks of both by name, which are known at preview, and what is known at `up`. */
function jumpInputs({ vm, proxyJump }: SshConfigArgs): Record<string, unknown> {
  if (proxyJump === undefined) return {};
  return {
    ...{ proxyJump: networksOf(proxyJump), jumpConnection: wayTo(proxyJump), jumpId: proxyJump.id },
    ...(vm && { networks: networksOf(vm), addresses: vm.addresses }),
  };
}
