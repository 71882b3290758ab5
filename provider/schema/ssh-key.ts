import { z } from "zod";
import { text } from "./fields";

/** Inputs of {@link SshKey}. */
export const sshKeySchema = z
  .strictObject({
    /** Kind of a key that is made. @default "ed25519" */
    algorithm: z.enum(["ed25519", "ecdsa", "rsa"], 'must be "ed25519", "ecdsa" or "rsa"').default("ed25519"),
    /** Size of a key that is made: 256, 384 or 521 for ecdsa, 3072 to 16384 for rsa. @default 256 or 3072 */
    bits: z.int().optional(),
    /** Text at the end of the public key's line. @default "" */
    comment: z
      .string()
      .regex(/^[^\n\r]*$/, "must be one line")
      .default(""),
    /** A key of your own instead: the text of an OpenSSH, PEM or PKCS#8 private key. Secret. */
    privateKey: text.optional(),
    /** Passphrase of `privateKey`. Secret. */
    passphrase: text.optional(),
    /** Values of your choice; a change of any makes a new key. @default {} */
    keepers: z.record(z.string(), z.string()).default({}),
  })
  .superRefine((key, context) => {
    const complain = (path: PropertyKey[], message: string) => {
      context.addIssue({ code: "custom", path, message });
    };
    if (key.passphrase !== undefined && key.privateKey === undefined)
      complain(
        ["passphrase"],
        "is for a privateKey of your own; a key that is made here is stored as a secret instead",
      );
    if (key.bits === undefined) return;
    if (key.privateKey !== undefined) complain(["bits"], "has no meaning for a privateKey of your own");
    const wrong = wrongBits(key.algorithm, key.bits);
    if (wrong !== undefined) complain(["bits"], wrong);
  });

/** What a program may write. */
export type SshKeyInputs = z.input<typeof sshKeySchema>;
/** Checked, defaults filled in. */
export type SshKeySpec = z.output<typeof sshKeySchema>;

/** What is wrong with a size for a kind of key. */
function wrongBits(algorithm: "ed25519" | "ecdsa" | "rsa", bits: number): string | undefined {
  if (algorithm === "ed25519") return "has no meaning for ed25519";
  if (algorithm === "ecdsa")
    return [256, 384, 521].includes(bits) ? undefined : `must be 256, 384 or 521 for ecdsa, got ${String(bits)}`;
  return bits >= 3_072 && bits <= 16_384 ? undefined : `must be 3072 to 16384 for rsa, got ${String(bits)}`;
}
