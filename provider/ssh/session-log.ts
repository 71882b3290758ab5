import { createHash, randomBytes } from "node:crypto";
import { appendFileSync, renameSync, statSync } from "node:fs";
import type { SshConnection } from "./connection";
import type { LogPlace } from "./endpoint";
import { ExecResult, type ExecRequest } from "./exec";

/**
 * What a session is. Of a command there is a hash and a length, never the text: a command may hold a secret that nobody
 * declared as one. With the text at hand the hash tells whether it is the one: `printf %s "$COMMAND" | sha256sum`. Of a
 * command that is declared secret there is neither, as short secrets can be found by trying.
 */
export type SessionKind =
  | { readonly kind: "command"; readonly sha256: string; readonly length: number; readonly stdinBytes?: number }
  | { readonly kind: "command"; readonly secret: true }
  | { readonly kind: "program" | "sftp" };

const HASH_DIGITS = 12; // enough to tell commands apart

/** How a command is written down. */
export function describeCommand({ command, stdin, isSecret = false }: ExecRequest): SessionKind {
  if (isSecret) return { kind: "command", secret: true };
  const sha256 = createHash("sha256").update(command).digest("hex").slice(0, HASH_DIGITS);
  const known =
    typeof stdin === "string" || stdin instanceof Uint8Array ? { stdinBytes: Buffer.byteLength(stdin) } : {};
  return { kind: "command", sha256, length: Buffer.byteLength(command), ...known };
}

/** Writes down sessions and the connections that they run on, each in the log of its machine. */
export class SessionLogs {
  readonly #connections = new Map<SshConnection, ConnectionLog>();

  /** Runs one session, with a line at its start and one at its end. Without a place it just runs. */
  async run<T>(
    connection: SshConnection,
    place: LogPlace | undefined,
    kind: SessionKind,
    work: () => Promise<T>,
  ): Promise<T> {
    if (place === undefined) return work();
    const end = this.connected(connection, place).begin({ resource: place.resource, ...kind });
    try {
      const result = await work();
      end(result instanceof ExecResult ? endOf(result) : {});
      return result;
    } catch (error) {
      const { code, name } = error as NodeJS.ErrnoException;
      end({ error: code ?? name }); // the message may hold what the command printed
      throw error;
    }
  }

  /** The log of a connection. Its first line is written when a machine's session first uses it, its last when it ends. */
  connected(connection: SshConnection, { file }: LogPlace): ConnectionLog {
    const known = this.#connections.get(connection);
    if (known !== undefined) return known;
    const log = new ConnectionLog(file, connection);
    this.#connections.set(connection, log);
    connection.onEnd(() => {
      this.#connections.delete(connection);
      log.close(connection.reason);
    });
    return log;
  }

  /** Writes the last lines of all connections that stand: this process ends. Synchronous: nothing waits for it. */
  endAll(): void {
    for (const log of this.#connections.values()) log.close("the program that held it ended");
  }
}

/** The lines of one connection. */
class ConnectionLog {
  readonly #name = randomBytes(4).toString("hex");
  #sessions = 0;
  #isClosed = false;

  constructor(
    private readonly file: string,
    private readonly connection: SshConnection,
  ) {
    const { to, proof, since } = connection;
    this.#write({ event: "connected", to, key: proof, since: since.toISOString() });
  }

  /** Writes that a session began; returns how to write its end. */
  begin(what: object): (end: object) => void {
    this.#sessions += 1;
    const session = this.#sessions;
    const begun = performance.now();
    this.#write({ event: "began", session, ...what });
    return (end) => {
      this.#write({ event: "ended", session, seconds: secondsSince(begun), ...end });
    };
  }

  /** Writes that the connection ended. */
  close(reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const seconds = Math.round(Date.now() - this.connection.since.getTime()) / 1_000;
    const { traffic } = this.connection;
    this.#write({ event: "disconnected", seconds, sessions: this.#sessions, ...traffic, reason });
  }

  #write(entry: object): void {
    const line = { time: new Date().toISOString(), process: process.pid, connection: this.#name, ...entry };
    append(this.file, `${JSON.stringify(line)}\n`);
  }
}

const MOST_BYTES = 1_048_576; // some 4,000 sessions; as many again are in the file before

/**
 * Adds a line, in one write, so that lines of several processes don't mix. Without a wait: lines keep their order, and
 * the last one is written when the process has no time left. (20 µs a line.) What can't be written is not worth a
 * command's failure: a machine that goes takes its log along, and then there is no folder.
 */
function append(file: string, line: string): void {
  try {
    const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
    if (size + line.length > MOST_BYTES) renameSync(file, `${file}.1`);
    appendFileSync(file, line, { mode: 0o600 });
  } catch {
    // see above
  }
}

function endOf({ exitCode, signal, endedBy, bytes }: ExecResult): object {
  return { exitCode, signal, endedBy, outputBytes: bytes.stdout.length + bytes.stderr.length };
}

function secondsSince(begun: number): number {
  return Math.round(performance.now() - begun) / 1_000;
}
