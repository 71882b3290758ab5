import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import type { Context } from "../context";
import { MayflyError } from "../errors";
import type { SshKeySpec } from "../schema/ssh-key";

/** A key that the user brings. Without its private half, that is elsewhere: with the user, or in an agent. */
export interface OwnKey {
  readonly publicKey: string;
  readonly privateKey?: string | undefined;
  readonly fingerprint: string;
}

/**
 * Reads the user's own key, if one is declared. Without a comment it keeps the one that it has.
 *
 * @throws {MayflyError} `BAD_KEY`, also for a file that can't be read.
 */
export async function readOwnKey(
  inputs: SshKeySpec,
  { ssh, signal }: Pick<Context, "ssh" | "signal">,
): Promise<OwnKey | undefined> {
  const { privateKeyFile, passphrase, publicKey, agent } = inputs;
  const comment = inputs.comment === "" ? undefined : inputs.comment;
  if (publicKey !== undefined) return ssh.parsePublicKey(publicKey, comment);
  if (agent !== false) return ssh.findInAgent(agentSocket(inputs) ?? "", agent, comment, signal);
  const privateKey = inputs.privateKey ?? (privateKeyFile && (await readKeyFile(pathOf(privateKeyFile))).text);
  return privateKey === undefined ? undefined : ssh.parseKey({ privateKey, passphrase, comment });
}

/** The socket of the agent that is to be asked; `undefined` where none is, or nobody knows one. */
export function agentSocket({ agent, agentSocketPath }: SshKeySpec): string | undefined {
  if (agent === false) return undefined;
  const path = agentSocketPath ?? process.env["SSH_AUTH_SOCK"];
  return path === undefined || path === "" ? undefined : resolve(path);
}

/** A path as people write it: from the program's folder, or from their home. */
export function pathOf(file: string): string {
  return file.startsWith("~/") ? join(homedir(), file.slice(2)) : resolve(file);
}

const LARGEST_KEY = 65_536; // an rsa key of 16384 bits takes 13 KB

/** Reads a file that should be a key. */
export async function readKeyFile(path: string): Promise<{ text: string; isOpen: boolean }> {
  const wrong = (problem: string, remedy: string) =>
    new MayflyError("BAD_KEY", `the private key ${problem}`, { remedy });
  try {
    // Not blocking: a pipe that nobody writes to must not hold a preview up.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const seen = await file.stat();
    if (!seen.isFile()) throw wrong(`must be in a file; ${path} is none`, "name the file itself");
    if (seen.size > LARGEST_KEY) throw wrong(`is not in ${path}: that is too large to be one`, "name another file");
    return { text: await file.readFile("utf8"), isOpen: (seen.mode & 0o077) !== 0 };
  } catch (error) {
    if (error instanceof MayflyError) throw error;
    const { code = "" } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") throw wrong(`must be in a file on this host; ${path} does not exist`, "name another file");
    throw wrong(`can't be read: ${path}: ${code}`, "run as the user who may read it, or name another file");
  }
}
