import { MayflyError } from "../errors";
import { nameOf, type Hop } from "./endpoint";
import type { HostKey } from "./host-key";

/** An attempt to connect that another attempt would not mend. */
export class FinalDialError extends Error {
  /** @param error What the user reads. @param refused Whether the server let us in but not log in. */
  constructor(
    readonly error: MayflyError,
    readonly refused = false,
  ) {
    super(error.message, { cause: error });
  }
}

/** The server is not the one that was pinned. */
export function hostKeyMismatch(hop: Hop, pinned: HostKey, seen: HostKey | undefined): MayflyError {
  const shown = seen === undefined ? `no ${pinned.type} key at all` : `${seen.type} ${seen.fingerprint}`;
  return new MayflyError("HOST_KEY_MISMATCH", `${nameOf(hop)} is not the host that was pinned`, {
    evidence: `expected ${pinned.type} ${pinned.fingerprint}\nit shows ${shown}`,
    remedy:
      "find out who answers there; if the server has a new key for a good reason, put that one into connection.hostKey",
  });
}

/** The server would not let us log in. */
export function loginRefused(hop: Hop, tried: readonly string[], seen: string | undefined): MayflyError {
  const { user = "root" } = hop;
  return new MayflyError("CONNECT_FAILED", `${nameOf(hop)} refused the login of ${user}`, {
    evidence: [tried.length === 0 ? "nothing to log in with was given" : `tried ${tried.join(", ")}`, seen]
      .filter((line) => line !== undefined)
      .join("\n"),
    remedy:
      tried.length === 0
        ? "set privateKey, password or agentSocketPath in the connection"
        : `put the public key into ~${user}/.ssh/authorized_keys there, or name another user or key`,
  });
}

/** Nobody could be reached: time may mend it. */
export class Unreachable extends MayflyError {}

/** Nobody could be reached. */
export function unreachable(hop: Hop, attempts: number, seconds: number, last: Error): Unreachable {
  const times = attempts === 1 ? "1 attempt" : `${String(attempts)} attempts`;
  return new Unreachable("CONNECT_FAILED", `cannot connect to ${nameOf(hop)}`, {
    evidence: `${times} in ${seconds.toFixed(1)} s; the last one: ${reasonOf(last)}`,
    remedy: remedyFor(reasonOf(last), hop),
    cause: last,
  });
}

/** The connection broke under a command. `COMMAND_FAILED`, unlike `CONNECT_FAILED`, says that it may have begun. */
export function connectionLost(hop: Hop, reason: string): MayflyError {
  return new MayflyError("COMMAND_FAILED", `the connection to ${nameOf(hop)} broke while a command ran`, {
    evidence: `${reason}; whether the command finished is not known, and it is not run a second time by itself`,
    remedy: "see whether the machine still runs and how far the command came, then run again: pulumi up",
  });
}

/** A name with several addresses fails at each, and says nothing of its own. */
function reasonOf(error: Error): string {
  if (!(error instanceof AggregateError)) return error.message;
  return error.errors.map((one) => (one as Error).message).join("; ");
}

function remedyFor(message: string, { host, port = 22 }: Hop): string {
  if (message.includes("ECONNREFUSED"))
    return `nothing listens there: is the machine up, and ${String(port)} the port of its sshd?`;
  if (/ENOTFOUND|EAI_AGAIN/.test(message)) return `check the name: getent hosts ${host}`;
  if (/timed out|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH/.test(message))
    return `see whether a firewall is in the way, or the machine hangs: nc -v ${host} ${String(port)}`;
  if (/handshake|ECONNRESET|closed/i.test(message))
    return "the other side hangs up: look at sshd's log there (MaxStartups, a full disk), or whether it is an SSH server";
  return `try by hand: ssh -v -p ${String(port)} ${host}`;
}
