import type { OpenSSHAgent, ParsedKey } from "ssh2";
import { MayflyError } from "../errors";
import { abortable } from "../host/abortable";
import { fingerprintOf } from "./host-key";
import type { PublicKey } from "./public-key";

const AGENT_MS = 10_000; // answers in milliseconds; one that is forwarded from afar in less than a second

/**
 * Finds a key in an ssh-agent. The agent keeps its private half.
 *
 * @param socketPath The agent's socket; empty where nobody has named one.
 * @param wanted `true` for the only one there; else a fingerprint or a comment.
 * @param comment Text at the end of the public key's line. @default the agent's own
 * @throws {MayflyError} `BAD_KEY`, which says what is there instead; the signal's reason, when that fired.
 */
export async function findInAgent(
  socketPath: string,
  wanted: string | true,
  comment: string | undefined,
  signal: AbortSignal,
): Promise<PublicKey> {
  if (socketPath === "") throw badAgent("the agent has no socket: SSH_AUTH_SOCK is not set", START_IT);
  const held = await list(socketPath, signal);
  const found = held.filter((key) => wanted === true || key.fingerprint === wanted || key.comment === wanted);
  const [key] = found;
  if (key !== undefined && found.length === 1)
    return { publicKey: `${key.line} ${comment ?? key.comment}`.trim(), fingerprint: key.fingerprint };
  const names = held.map((one) => `${one.fingerprint} (${one.comment})`).join(", ");
  if (held.length === 0) throw badAgent(`the agent at ${socketPath} holds no key that SSH uses`, "ssh-add FILE");
  if (found.length > 1)
    throw badAgent(`the agent at ${socketPath} holds ${String(found.length)} such keys`, `name one of them: ${names}`);
  throw badAgent(`the agent at ${socketPath} holds no key ${String(wanted)}`, `name one that it holds: ${names}`);
}

const START_IT = 'start an agent and give it a key: eval "$(ssh-agent)" && ssh-add FILE';

interface HeldKey {
  /** Type and key, without the comment. */
  readonly line: string;
  readonly comment: string;
  readonly fingerprint: string;
}

async function list(socketPath: string, signal: AbortSignal): Promise<HeldKey[]> {
  const { default: ssh2 } = await import("ssh2");
  const agent = new ssh2.OpenSSHAgent(socketPath);
  const patience = AbortSignal.any([signal, AbortSignal.timeout(AGENT_MS)]);
  try {
    const keys = await abortable<readonly ParsedKey[]>(patience, (resolve, reject) => {
      agent.getIdentities((error, found) => {
        if (found === undefined) reject(error ?? new Error("no answer"));
        else resolve(found as ParsedKey[]); // as its code has it; its types know of other agents too
      });
    });
    return keys.filter(({ type }) => !type.includes("-cert-")).map(describe);
  } catch {
    signal.throwIfAborted();
    throw badAgent(`no agent answers at ${socketPath}`, START_IT);
  }
}

function describe(key: ParsedKey): HeldKey {
  const blob = key.getPublicSSH();
  const comment = key.comment.replaceAll(/[\r\n]+/g, " ");
  return { line: `${key.type} ${blob.toString("base64")}`, comment, fingerprint: fingerprintOf(blob) };
}

function badAgent(problem: string, remedy: string): MayflyError {
  return new MayflyError("BAD_KEY", problem, { remedy });
}

/**
 * An agent for ssh2 that tells which key it signed with: the one that the server has taken.
 *
 * @param onUse Gets the key's fingerprint.
 */
export async function openAgent(socketPath: string, onUse: (fingerprint: string) => void): Promise<OpenSSHAgent> {
  const { default: ssh2 } = await import("ssh2");
  const agent = new ssh2.OpenSSHAgent(socketPath);
  const sign = agent.sign.bind(agent) as (...args: unknown[]) => boolean;
  agent.sign = (key: ParsedKey | Buffer | string, ...rest: unknown[]) => {
    if (typeof key === "object" && "getPublicSSH" in key) onUse(fingerprintOf(key.getPublicSSH()));
    return sign(key, ...rest);
  };
  return agent;
}
