import { MayflyError } from "../errors";
import { sshKeySchema, type SshKeySpec } from "../schema/ssh-key";
import { agentSocket, pathOf, readKeyFile, readOwnKey } from "./own-key";
import type { CheckContext, InputFailure, ResourceHandler } from "./resource";

/** What is known of a key pair. */
export interface SshKeyState {
  /** One line of OpenSSH's form. */
  readonly publicKey: string;
  /** OpenSSH's form, without passphrase. Secret. Absent where only the public half is here. */
  readonly privateKey?: string | undefined;
  /** As `ssh-keygen -l` prints it: `SHA256:…`. */
  readonly fingerprint: string;
  /** All that logs in with it, for `sshKey` of a VM: one value, so that a part that is absent is not taken for unknown. */
  readonly login: Pick<SshKeyState, "publicKey" | "privateKey"> & { readonly agentSocketPath?: string | undefined };
}

type Key = Omit<SshKeyState, "login">;

/** The life of a key pair. It lives in Pulumi's state alone: there is nothing to look at, and nothing to remove. */
export const sshKey: ResourceHandler<typeof sshKeySchema, SshKeyState> = {
  schema: sshKeySchema,
  // Not `privateKeyFile` and `agent`: another way to the same key is no new key. `sourceFingerprint` tells.
  replaceOnChanges: ["algorithm", "bits", "keepers", "privateKey", "publicKey", "sourceFingerprint"],
  secretOutputs: () => ["privateKey", "login"],

  check: checkOwnKey,
  derive,
  async create(_id, inputs, context) {
    const { algorithm, bits, comment } = inputs;
    const made = () => context.ssh.makeKey({ algorithm, bits, comment });
    return withLogin(
      (await readOwnKey(inputs, context)) ?? (await context.step(`Making an ${algorithm} key`, made)),
      inputs,
    );
  },
  // The same key under another comment; whatever makes another key replaces.
  async update(_id, state, inputs, context) {
    const { privateKey = "" } = state as SshKeyState; // the output; before it the inputs' of the same name
    const key =
      (await readOwnKey(inputs, context)) ?? (await context.ssh.parseKey({ privateKey, comment: inputs.comment }));
    return withLogin(key, inputs);
  },
  delete: () => Promise.resolve(),
};

function withLogin(key: Key, { agentSocketPath }: SshKeySpec): SshKeyState {
  const { publicKey, privateKey } = key;
  return { ...key, login: { publicKey, privateKey, agentSocketPath } };
}

/** Which key lies where the program points to, and where its agent is today. */
async function derive(inputs: SshKeySpec, look: CheckContext): Promise<Partial<SshKeySpec>> {
  const { privateKeyFile, agent } = inputs;
  if (privateKeyFile === undefined && agent === false) return {};
  const socket = agentSocket(inputs);
  const { ssh } = await look.openRooms();
  // What cannot be read now holds a part that is not known yet: all else was found by `check`.
  const key = await readOwnKey(inputs, { ssh, signal: look.signal }).catch(() => undefined);
  return {
    ...(key === undefined ? {} : { sourceFingerprint: key.fingerprint }),
    ...(socket === undefined ? {} : { agentSocketPath: socket }),
  };
}

/** A key that can't be read fails at preview, at the field that is wrong. */
async function checkOwnKey(inputs: SshKeySpec, look: CheckContext): Promise<readonly InputFailure[]> {
  const { privateKey, privateKeyFile, publicKey, agent } = inputs;
  if (privateKey === undefined && privateKeyFile === undefined && publicKey === undefined && agent === false) return [];
  const { ssh } = await look.openRooms();
  try {
    if (privateKeyFile !== undefined) await warnOfOthers(privateKeyFile, look);
    await readOwnKey(inputs, { ssh, signal: look.signal });
    return [];
  } catch (error) {
    if (!(error instanceof MayflyError)) throw error;
    return [failureOf(inputs, error)];
  }
}

async function warnOfOthers(file: string, { say }: CheckContext): Promise<void> {
  const path = pathOf(file);
  const { isOpen } = await readKeyFile(path);
  if (isOpen) say(`warning: privateKeyFile: ${path} is open to other users, and ssh refuses it: chmod 600 ${path}`);
}

function failureOf({ privateKeyFile, passphrase, publicKey, agent }: SshKeySpec, error: MayflyError): InputFailure {
  const problem = (error.message.split("\n")[0] ?? "").replace(/^the private key /, "");
  const reason = `${problem}; ${error.remedy}`;
  if (publicKey !== undefined) return { property: "publicKey", reason };
  if (agent !== false) return { property: problem.includes("answers at") ? "agentSocketPath" : "agent", reason };
  if (problem.includes("no passphrase was given"))
    return { property: "passphrase", reason: `is required: the key is encrypted; ${error.remedy}` };
  if (passphrase !== undefined && problem.includes("passphrase")) return { property: "passphrase", reason };
  return { property: privateKeyFile === undefined ? "privateKey" : "privateKeyFile", reason };
}
