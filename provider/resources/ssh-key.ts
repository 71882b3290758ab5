import type { Context } from "../context";
import { MayflyError } from "../errors";
import { sshKeySchema, type SshKeySpec } from "../schema/ssh-key";
import type { CheckContext, InputFailure, ResourceHandler } from "./resource";

/** What is known of a key pair. */
export interface SshKeyState {
  /** One line of OpenSSH's form. */
  readonly publicKey: string;
  /** OpenSSH's form, without passphrase. Secret. */
  readonly privateKey: string;
  /** As `ssh-keygen -l` prints it: `SHA256:…`. */
  readonly fingerprint: string;
}

/** The life of a key pair. It lives in Pulumi's state alone: there is nothing to look at, and nothing to remove. */
export const sshKey: ResourceHandler<typeof sshKeySchema, SshKeyState> = {
  schema: sshKeySchema,
  replaceOnChanges: ["algorithm", "bits", "keepers", "privateKey"],
  secretOutputs: () => ["privateKey"],

  check: checkOwnKey,
  async create(_id, inputs, context) {
    const { algorithm, bits, comment } = inputs;
    const made = () => context.ssh.makeKey({ algorithm, bits, comment });
    return (await ownKey(inputs, context)) ?? context.step(`Making an ${algorithm} key`, made);
  },
  // The same key under another comment; whatever makes another key replaces.
  async update(_id, { privateKey }, inputs, context) {
    return (await ownKey(inputs, context)) ?? context.ssh.parseKey({ privateKey, comment: inputs.comment });
  },
  delete: () => Promise.resolve(),
};

/** The user's own key, if one is given. Without a comment it keeps the one that its file holds. */
async function ownKey(inputs: SshKeySpec, { ssh }: Context): Promise<SshKeyState | undefined> {
  const { privateKey, passphrase, comment } = inputs;
  if (privateKey === undefined) return undefined;
  return ssh.parseKey({ privateKey, passphrase, comment: comment === "" ? undefined : comment });
}

/** A key that can't be read fails at preview, at the field that is wrong. */
async function checkOwnKey(
  { privateKey, passphrase }: SshKeySpec,
  { openRooms }: CheckContext,
): Promise<readonly InputFailure[]> {
  if (privateKey === undefined) return [];
  const { ssh } = await openRooms();
  try {
    await ssh.parseKey({ privateKey, passphrase });
    return [];
  } catch (error) {
    if (!(error instanceof MayflyError)) throw error;
    const problem = (error.message.split("\n")[0] ?? "").replace(/^the private key /, "");
    const isPassphrase = passphrase !== undefined && problem.includes("passphrase");
    return [{ property: isPassphrase ? "passphrase" : "privateKey", reason: `${problem}; ${error.remedy}` }];
  }
}
