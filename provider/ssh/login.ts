import type { AnyAuthMethod, AuthHandlerMiddleware, ParsedKey } from "ssh2";
import { MayflyError } from "../errors";
import { openAgent } from "./agent";
import { nameOf, type Hop } from "./endpoint";
import { fingerprintOf } from "./host-key";
import { recogniseKey } from "./key-text";
import { parseKey } from "./keys";

/** How we log in: what ssh2 asks for, and what it was given so far, for the error. */
export interface Login {
  readonly next: AuthHandlerMiddleware;
  /** What was tried, in words: `the key SHA256:…`. */
  readonly tried: () => readonly string[];
  /** What the server took, once it has: a key's fingerprint, or `password`. */
  readonly proof: () => string | undefined;
}

/**
 * Gets ready to log in, with exactly what was named: the key first, then the agent's keys, then the password.
 *
 * @throws {MayflyError} `BAD_KEY`, `CONNECT_FAILED` for an agent that is not there.
 */
export async function prepareLogin(hop: Hop): Promise<Login> {
  const { user: username = "root", agentSocketPath, password } = hop;
  const methods: { words: string; method: AnyAuthMethod; proof?: string }[] = [];
  let proof: string | undefined; // the last one that was tried is the one that was taken
  if (hop.privateKey !== undefined) {
    const { key, fingerprint } = await openKey(hop, hop.privateKey);
    const method = { type: "publickey", username, key } as const;
    methods.push({ words: `the key ${fingerprint}`, method, proof: fingerprint });
  }
  if (agentSocketPath !== undefined) {
    const words = `the keys of the agent ${agentSocketPath}`;
    const agent = await openAgent(agentSocketPath, (fingerprint) => (proof = fingerprint));
    methods.push({ words, method: { type: "agent", username, agent } });
  }
  if (password !== undefined) {
    const method = { type: "password", username, password } as const;
    methods.push({ words: "the password", method, proof: "password" });
    methods.push({ words: "the password, when asked", method: answering(username, password), proof: "password" });
  }
  const tried: string[] = [];
  return {
    tried: () => tried,
    proof: () => proof,
    next: (allowed, _partial, next) => {
      // The server says what it takes once we tried something; before that, `allowed` is not there.
      const possible = allowed as readonly string[] | null;
      for (let step = methods.shift(); step !== undefined; step = methods.shift()) {
        const { type } = step.method;
        if (possible !== null && !possible.includes(type === "agent" ? "publickey" : type)) continue;
        tried.push(step.words);
        proof = step.proof;
        next(step.method);
        return;
      }
      next(false as unknown as AnyAuthMethod); // ssh2's way to say "no more"; missing in its types
    },
  };
}

function answering(username: string, password: string): AnyAuthMethod {
  return {
    type: "keyboard-interactive",
    username,
    prompt: (_name, _instructions, _language, prompts, finish) => {
      finish(prompts.map(({ echo }) => (echo === true ? "" : password))); // a hidden answer is the password's
    },
  };
}

interface OpenKey {
  readonly key: ParsedKey;
  readonly fingerprint: string;
}

const opened = new Map<string, Promise<OpenKey>>(); // bcrypt takes 0.4 s: once for each key, not for each connection
const MOST_OPENED = 100;

function openKey(hop: Hop, privateKey: string): Promise<OpenKey> {
  const name = JSON.stringify([privateKey, hop.privateKeyPassword]);
  const known = opened.get(name);
  if (known !== undefined) return known;
  if (opened.size >= MOST_OPENED) opened.clear();
  const opening = readKey(privateKey, hop.privateKeyPassword).catch((error: unknown) => {
    opened.delete(name);
    if (!(error instanceof MayflyError)) throw error;
    const summary = `${error.message.split("\n")[0] ?? ""} (connection to ${nameOf(hop)})`;
    throw new MayflyError(error.code, summary, { remedy: error.remedy });
  });
  opened.set(name, opening);
  return opening;
}

/** ssh2 reads most keys by itself; sshpk, which takes 60 ms to load, is only asked for the others. */
async function readKey(privateKey: string, passphrase: string | undefined): Promise<OpenKey> {
  const { default: ssh2 } = await import("ssh2");
  const given = recogniseKey(privateKey);
  const encrypted = given.format === "openssh" ? given.cipher !== "none" : given.text.includes("ENCRYPTED");
  let key = encrypted ? new Error("encrypted") : ssh2.utils.parseKey(given.text);
  if (key instanceof Error) key = ssh2.utils.parseKey((await parseKey({ privateKey, passphrase })).privateKey);
  if (key instanceof Error) throw key;
  return { key, fingerprint: fingerprintOf(key.getPublicSSH()) };
}
