import { createHash } from "node:crypto";
import { parseHostKey } from "./host-key";

/** One hop: a host, who we are there, and by what it proves itself. */
export interface Hop {
  /** Host name or address. */
  readonly host: string;
  /** @default 22 */
  readonly port?: number | undefined;
  /** @default "root" */
  readonly user?: string | undefined;
  /** Also answers questions of the keyboard-interactive kind. Tried after keys. Secret. */
  readonly password?: string | undefined;
  /** Text of an OpenSSH, PEM or PKCS#8 private key. Secret. */
  readonly privateKey?: string | undefined;
  /** Passphrase of `privateKey`. Secret. */
  readonly privateKeyPassword?: string | undefined;
  /** Socket of an ssh-agent; only asked when named. */
  readonly agentSocketPath?: string | undefined;
  /** The server's public host key, one line of OpenSSH's form. There is no connection without it. */
  readonly hostKey: string;
  /** Whether its CPU is emulated, which makes some ciphers dear. @default false */
  readonly isEmulated?: boolean | undefined;
  /** Attempts before giving up; -1 goes on until the signal fires. @default 10 */
  readonly dialErrorLimit?: number | undefined;
  /** Longest time for one attempt, login included, in seconds; 0 for no limit. @default 15 */
  readonly perDialTimeout?: number | undefined;
}

/** A log of sessions, and in whose name they are written there. */
export interface LogPlace {
  /** Path of the file. Its folder is that of a machine, and goes with it. */
  readonly file: string;
  /** Name of the resource that wants the session. */
  readonly resource: string;
}

/** What an SSH client needs. The field names are those of `remote.Command` in `@pulumi/command`. */
export interface Endpoint extends Hop {
  /** Where sessions on it are written down. @default nowhere */
  readonly log?: LogPlace | undefined;
  /** Another SSH host to go through (OpenSSH's ProxyJump). */
  readonly proxy?: Hop | undefined;
}

/** How errors name a hop: `root@127.0.0.1:2222`. */
export function nameOf({ user = "root", host, port = 22 }: Hop): string {
  return `${user}@${host.includes(":") ? `[${host}]` : host}:${String(port)}`;
}

/** The same for everything that one and the same connection can serve. Holds no secret. */
export function identify(endpoint: Endpoint): string {
  const { user, privateKey, privateKeyPassword, password, agentSocketPath, proxy } = endpoint;
  const secrets = JSON.stringify([privateKey, privateKeyPassword, password]);
  const secretsHash = createHash("sha256").update(secrets).digest("base64");
  return JSON.stringify([
    identifyServer(endpoint),
    ...[user ?? "root", secretsHash, agentSocketPath ?? ""],
    proxy === undefined ? "" : identify(proxy),
  ]);
}

/** The same for all connections to one server, whoever logs in. */
export function identifyServer({ host, port = 22, hostKey }: Hop): string {
  return `${host} ${String(port)} ${parseHostKey(hostKey).fingerprint}`;
}
