import * as pulumi from "@pulumi/pulumi";
import type { SshKeyInputs } from "../provider/schema/ssh-key";
import { common, pending, withSecrets, type Inputs } from "./inputs";
import { trampoline } from "./trampoline";

const provider = trampoline("SshKey");

/** Arguments of {@link SshKey}. */
export type SshKeyArgs = Inputs<SshKeyInputs>;

/**
 * An SSH key pair: made, or your own.
 *
 * @example
 * const key = new mayfly.SshKey("key");
 * const vm = new mayfly.VM("web", { image, sshKey: key });
 */
export class SshKey extends pulumi.dynamic.Resource {
  /** Public key, one line as in `authorized_keys`. */
  declare readonly publicKey: pulumi.Output<string>;
  /** Private key in OpenSSH's form, without passphrase. Secret. */
  declare readonly privateKey: pulumi.Output<string>;
  /** `SHA256:…`, as `ssh-keygen -l` prints it. */
  declare readonly fingerprint: pulumi.Output<string>;

  /** @param args All optional: an ed25519 key is made. */
  constructor(name: string, args: SshKeyArgs = {}, options?: pulumi.CustomResourceOptions) {
    const outputs = pending("publicKey", "privateKeyOutput", "fingerprint");
    super(
      provider,
      name,
      { ...outputs, ...args, ...common(name, options) },
      withSecrets(options, "privateKey", "passphrase", "privateKeyOutput"),
      "mayfly",
      "SshKey",
    );
    // On the wire the made key has a name of its own beside the input of this name.
    this.privateKey = (this as unknown as { privateKeyOutput: pulumi.Output<string> }).privateKeyOutput;
  }
}
