import { z } from "zod";
import { publicKeyLine, text } from "./fields";

/** Ways to bring a key instead of having one made. At most one of them. */
const SOURCES = ["privateKey", "privateKeyFile", "publicKey", "agent"] as const;

/** Fields that mean something beside certain others only. */
const COMPANIONS: readonly (readonly ["passphrase" | "agentSocketPath", readonly unknown[], string])[] = [
  [
    "passphrase",
    ["privateKey", "privateKeyFile"],
    "is for a private key of your own; a key that is made here is stored as a secret instead",
  ],
  ["agentSocketPath", ["agent"], "is for a key in an agent: set agent too"],
];

/** Inputs of {@link SshKey}. */
export const sshKeySchema = z
  .strictObject({
    /** Kind of a key that is made. @default "ed25519" */
    algorithm: z.enum(["ed25519", "ecdsa", "rsa"], 'must be "ed25519", "ecdsa" or "rsa"').default("ed25519"),
    /** Size of a key that is made: 256, 384 or 521 for ecdsa, 3072 to 16384 for rsa. @default 256 or 3072 */
    bits: z.int().optional(),
    /** Text at the end of the public key's line. @default "", or the own key's */
    comment: z
      .string()
      .regex(/^[^\n\r]*$/, "must be one line")
      .default(""),
    /** A key of your own instead: the text of an OpenSSH, PEM or PKCS#8 private key. Secret. */
    privateKey: text.optional(),
    /**
     * A key of your own, by its file on this host: absolute, from the program's folder, or `~/…`. Its text is kept in
     * the state as the output `privateKey`, secret. Another key in the file is a new key.
     */
    privateKeyFile: text.optional(),
    /** Passphrase of `privateKey` or of `privateKeyFile`. Secret. */
    passphrase: text.optional(),
    /**
     * Only the public half of a key of your own, one line of OpenSSH's form; there is no output `privateKey` then. A VM
     * with such an `sshKey` lets it in beside the VM's own key, by which Mayfly itself logs in.
     */
    publicKey: publicKeyLine
      .refine((line) => /^(?:ssh|ecdsa|sk)-/.test(line), "must be the key alone, without options before it")
      .optional(),
    /**
     * A key that your ssh-agent holds, and never gives away: `true` for the only one there, else its fingerprint
     * (`SHA256:…`) or its comment. There is no output `privateKey`; a VM's `connection` asks the agent, so it has to
     * run at each `up`. @default false
     */
    agent: z.union([z.boolean(), text], 'must be true, a fingerprint ("SHA256:…") or a comment').default(false),
    /** Socket of the agent. A new one, as each login session has, is no new key. @default the variable SSH_AUTH_SOCK */
    agentSocketPath: text.optional(),
    /** Values of your choice; a change of any makes a new key. @default {} */
    keepers: z.record(z.string(), z.string()).default({}),
    /** Fingerprint of the key in `privateKeyFile` or the agent. Found by ourselves; not for programs. */
    sourceFingerprint: text.optional(),
  })
  .superRefine((key, context) => {
    const complain = (field: keyof typeof key, message: string) => {
      context.addIssue({ code: "custom", path: [field], message });
    };
    const [source, ...others] = SOURCES.filter((field) => key[field] !== undefined && key[field] !== false);
    for (const other of others) complain(other, `can't be set beside ${source ?? ""}: which key is it?`);
    for (const [field, sources, message] of COMPANIONS)
      if (key[field] !== undefined && !sources.includes(source)) complain(field, message);
    const wrong = source === undefined ? wrongBits(key) : "has no meaning for a key of your own";
    if (key.bits !== undefined && wrong !== undefined) complain("bits", wrong);
  });

/** What a program may write, and `sourceFingerprint`. */
export type SshKeyInputs = z.input<typeof sshKeySchema>;
/** Checked, defaults filled in. */
export type SshKeySpec = z.output<typeof sshKeySchema>;

/** What is wrong with a size for a kind of key. */
function wrongBits({ algorithm, bits = 0 }: Pick<SshKeySpec, "algorithm" | "bits">): string | undefined {
  if (algorithm === "ed25519") return "has no meaning for ed25519";
  if (algorithm === "ecdsa")
    return [256, 384, 521].includes(bits) ? undefined : `must be 256, 384 or 521 for ecdsa, got ${String(bits)}`;
  return bits >= 3_072 && bits <= 16_384 ? undefined : `must be 3072 to 16384 for rsa, got ${String(bits)}`;
}
