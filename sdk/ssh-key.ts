import type * as pulumi from "@pulumi/pulumi";
import type { SshKeyInputs } from "../provider/schema/ssh-key";
import { common, isOfKind, pending, secret, withSecrets, type Inputs } from "./inputs";
import { DynamicResource } from "./dynamic-resource";

/** Arguments of {@link SshKey}. */
export type SshKeyArgs = Omit<Inputs<SshKeyInputs>, "sourceFingerprint">;

/**
 * An SSH key: a new pair, or one of your own, whole or its public half alone, or one in your ssh-agent. A private key
 * is in the stack's state, encrypted. While a VM uses it, a copy that only you can read is in Mayfly's data folder, for ssh.
 * (Pulumi's file backend keeps former states after `destroy`, as encrypted: a passphrase that is none protects nothing. A
 * key that is never to be stored is one of an `agent`.)
 *
 * Fails with `BAD_KEY` where a key of your own cannot be read. That shows at preview, at the field that is wrong.
 *
 * @example
 * const key = new mayfly.SshKey("key");
 * const vm = new mayfly.VM("web", { image, sshKey: key });
 *
 * @example
 * const own = new mayfly.SshKey("own", { privateKey: config.requireSecret("key"), passphrase: config.getSecret("word") });
 *
 * @example
 * const file = new mayfly.SshKey("file", { privateKeyFile: "~/.ssh/id_ed25519" });
 * const held = new mayfly.SshKey("held", { agent: "SHA256:…" }); // the private key stays in the agent
 */
export class SshKey extends DynamicResource {
  /** Public key, one line as in `authorized_keys`. */
  declare readonly publicKey: pulumi.Output<string>;
  /**
   * Private key in OpenSSH's form, without passphrase, also of a key of your own in another form. Secret. Absent for
   * `publicKey` and `agent`.
   */
  declare readonly privateKey: pulumi.Output<string | undefined>;
  /** `SHA256:…`, as `ssh-keygen -l` prints it. */
  declare readonly fingerprint: pulumi.Output<string>;
  /** Socket of the agent that holds the key; absent for all others. */
  declare readonly agentSocketPath: pulumi.Output<string | undefined>;
  /** What `sshKey` of a VM takes: both halves, or the public one and the agent's socket. Secret. */
  declare readonly login: pulumi.Output<{ publicKey: string; privateKey?: string; agentSocketPath?: string }>;

  /** @param args All optional: without any an ed25519 key is made. */
  constructor(name: string, args: SshKeyArgs = {}, options?: pulumi.CustomResourceOptions) {
    const secrets = { privateKey: secret(args.privateKey), passphrase: secret(args.passphrase) };
    const outputs = pending("publicKeyOutput", "privateKeyOutput", "fingerprint", "agentSocketPath", "login");
    super(
      "SshKey",
      name,
      { ...outputs, ...args, ...secrets, ...common(name, options) },
      withSecrets(options, "privateKey", "passphrase", "privateKeyOutput", "login"),
    );
    // On the wire these outputs have names of their own beside the inputs: provider/engine/state.ts.
    const wire = this as unknown as Record<"publicKeyOutput" | "privateKeyOutput", pulumi.Output<string>>;
    this.publicKey = wire.publicKeyOutput;
    this.privateKey = wire.privateKeyOutput;
  }

  /** Whether an object is an SshKey, also one of another copy of this package. */
  static override isInstance(object: unknown): object is SshKey {
    return isOfKind(object, "SshKey");
  }
}
