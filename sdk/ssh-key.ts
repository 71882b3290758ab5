import * as pulumi from "@pulumi/pulumi";
import type { SshKeyInputs } from "../provider/schema/ssh-key";
import { common, isOfKind, pending, secret, withSecrets, type Inputs } from "./inputs";
import { trampoline } from "./trampoline";

const provider = trampoline("SshKey"); // one object a kind: Pulumi serialises it once

/** Arguments of {@link SshKey}. */
export type SshKeyArgs = Inputs<SshKeyInputs>;

/**
 * An SSH key pair: a new one, or your own. It lives in the stack's state, encrypted, and nowhere else.
 *
 * Fails with `BAD_KEY` where a key of your own cannot be read.
 *
 * @example
 * const key = new mayfly.SshKey("key");
 * const vm = new mayfly.VM("web", { image, sshKey: key });
 *
 * @example
 * const own = new mayfly.SshKey("own", { privateKey: config.requireSecret("key"), passphrase: config.getSecret("word") });
 */
export class SshKey extends pulumi.dynamic.Resource {
  /** Public key, one line as in `authorized_keys`. */
  declare readonly publicKey: pulumi.Output<string>;
  /** Private key in OpenSSH's form, without passphrase, also of a key of your own in another form. Secret. */
  declare readonly privateKey: pulumi.Output<string>;
  /** `SHA256:…`, as `ssh-keygen -l` prints it. */
  declare readonly fingerprint: pulumi.Output<string>;

  /** @param args All optional: without any an ed25519 key is made. */
  constructor(name: string, args: SshKeyArgs = {}, options?: pulumi.CustomResourceOptions) {
    const secrets = { privateKey: secret(args.privateKey), passphrase: secret(args.passphrase) };
    const outputs = pending("publicKey", "privateKeyOutput", "fingerprint");
    super(
      provider,
      name,
      { ...outputs, ...args, ...secrets, ...common(name, options) },
      withSecrets(options, "privateKey", "passphrase", "privateKeyOutput"),
      "mayfly",
      "SshKey",
    );
    // On the wire this output has a name of its own beside the input `privateKey`: provider/engine/state.ts.
    this.privateKey = (this as unknown as { privateKeyOutput: pulumi.Output<string> }).privateKeyOutput;
  }

  /** Whether an object is an SshKey, also one of another copy of this package. */
  static override isInstance(object: unknown): object is SshKey {
    return isOfKind(object, "SshKey");
  }
}
