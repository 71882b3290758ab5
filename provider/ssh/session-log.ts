import { createHash, randomBytes } from "node:crypto";
import { appendFileSync, renameSync, statSync } from "node:fs";
import type { SshConnection } from "./connection";
import type { LogPlace } from "./endpoint";
import { ExecResult, type ExecRequest } from "./exec";
import { noTraffic, type Traffic } from "./traffic";

/**
 * What a session is. Of a program's command there is a hash and a length, never the text: it may hold a secret that nobody
 * declared as one. (The beginning of one that somebody has typed is there, see {@link recordProgram}.) With the text at
 * hand the hash tells whether it is the one: `printf %s "$COMMAND" | sha256sum`. Of a command that is declared secret there
 * is neither, as short secrets can be found by trying.
 */
export type SessionKind =
  | { readonly kind: "command"; readonly sha256: string; readonly length: number; readonly text?: string }
  | { readonly kind: "command"; readonly secret: true }
  | { readonly kind: "program" | "sftp" }
  | ForwardKind;

/** A connection that goes through a forward. */
interface ForwardKind {
  readonly kind: "forward";
  readonly type: "local" | "remote" | "dynamic";
  /** Where it came in, as people write it: on this host, of a remote forward in the guest. */
  readonly listen: string;
  /** Where it goes. */
  readonly to: string;
}

const HASH_DIGITS = 12; // enough to tell commands apart
const LONGEST_TEXT = 200; // characters; a script that is given as an argument shall not fill the log

/** How a command is written down. */
export function describeCommand({ command, isSecret = false }: Pick<ExecRequest, "command" | "isSecret">): SessionKind {
  if (isSecret) return { kind: "command", secret: true };
  const sha256 = createHash("sha256").update(command).digest("hex").slice(0, HASH_DIGITS);
  return { kind: "command", sha256, length: Buffer.byteLength(command) };
}

/** A connection that a program of OpenSSH's makes for us. */
export interface ProgramConnection {
  /** `ssh`, `scp`. */
  readonly kind: string;
  /** Where it leads: `root@127.0.0.1:2222`. */
  readonly to: string;
  /** Fingerprint of the only key that it offers. */
  readonly key: string;
  /** What it runs there, as the user has typed it. @default a shell, or no command at all */
  readonly command?: string | undefined;
}

/** How such a program ended. */
export interface ProgramEnd {
  readonly exitCode: number;
  /** With all that SSH adds; absent where the program did not tell. */
  readonly traffic?: Traffic | undefined;
}

/**
 * Writes that a program begins to connect; returns how to write its end. Its command stands there in words: who typed it
 * has it in the shell's history too, and the log is for the same user only.
 */
export function recordProgram(place: LogPlace, what: ProgramConnection): (end: ProgramEnd) => void {
  const { kind, to, key, command } = what;
  const begun = performance.now();
  const lines = new Lines(place.file);
  const text = command === undefined || command.length <= LONGEST_TEXT ? command : `${command.slice(0, LONGEST_TEXT)}…`;
  const known = command === undefined ? {} : { ...describeCommand({ command }), text };
  lines.write({ event: "began", session: 1, resource: place.resource, ...known, kind, to, key });
  return ({ exitCode, traffic }) => {
    const counted = traffic === undefined ? {} : spell(traffic);
    lines.write({ event: "ended", session: 1, seconds: secondsSince(begun), exitCode, ...counted });
  };
}

/** Writes down sessions and the connections that they run on, each in the log of its machine. */
export class SessionLogs {
  readonly #connections = new Map<SshConnection, ConnectionLog>();

  /** Runs one session, with a line at its start and one at its end. Without a place it just runs. */
  async run<T>(
    connection: SshConnection,
    place: LogPlace | undefined,
    kind: SessionKind,
    work: (traffic: Traffic) => Promise<T>,
  ): Promise<T> {
    const traffic = noTraffic();
    if (place === undefined) return work(traffic);
    const end = this.#connected(connection, place).begin({ resource: place.resource, ...kind });
    try {
      const result = await work(traffic);
      end({ ...(result instanceof ExecResult ? endOf(result) : {}), ...spell(traffic) });
      return result;
    } catch (error) {
      const { code, name } = error as NodeJS.ErrnoException;
      end({ error: code ?? name, ...spell(traffic) }); // the message may hold what the command printed
      throw error;
    }
  }

  /**
   * Writes that one begins to go through a forward.
   *
   * @param traffic Counted while it lasts.
   * @returns How to write its end.
   */
  forward(connection: SshConnection, place: LogPlace, what: ForwardKind, traffic: Traffic): () => void {
    const end = this.#connected(connection, place).begin({ resource: place.resource, ...what });
    return () => {
      end(spell(traffic));
    };
  }

  /** Writes that a connection stands, before anything uses it. */
  connected(connection: SshConnection, place: LogPlace): void {
    this.#connected(connection, place);
  }

  /**
   * The log of a connection. Its first line is written at the login that a machine is tried by, or when a session first
   * uses it; its last when it ends.
   */
  #connected(connection: SshConnection, { file }: LogPlace): ConnectionLog {
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

/** Lines of one connection, which share its name in the log. */
class Lines {
  readonly #connection = randomBytes(4).toString("hex");

  constructor(private readonly file: string) {}

  write(entry: object): void {
    const line = { time: new Date().toISOString(), process: process.pid, connection: this.#connection, ...entry };
    append(this.file, `${JSON.stringify(line)}\n`);
  }
}

/** What is written of a connection that we hold ourselves. */
class ConnectionLog {
  readonly #lines: Lines;
  #sessions = 0;
  #isClosed = false;

  constructor(
    file: string,
    private readonly connection: SshConnection,
  ) {
    const { to, proof, since } = connection;
    this.#lines = new Lines(file);
    this.#lines.write({ event: "connected", to, key: proof, since: since.toISOString() });
  }

  /** Writes that a session began; returns how to write its end. */
  begin(what: object): (end: object) => void {
    this.#sessions += 1;
    const session = this.#sessions;
    const begun = performance.now();
    this.#lines.write({ event: "began", session, ...what });
    return (end) => {
      this.#lines.write({ event: "ended", session, seconds: secondsSince(begun), ...end });
    };
  }

  /** Writes that the connection ended. */
  close(reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const seconds = Math.round(Date.now() - this.connection.since.getTime()) / 1_000;
    const { traffic } = this.connection;
    this.#lines.write({ event: "disconnected", seconds, sessions: this.#sessions, ...traffic, reason });
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

function endOf({ exitCode, signal, endedBy }: ExecResult): object {
  return { exitCode, signal, endedBy };
}

/** How bytes are written down: of a session its own, of a connection with all that SSH adds. */
function spell({ sent, received }: Traffic): object {
  return { bytesSent: sent, bytesReceived: received };
}

function secondsSince(begun: number): number {
  return Math.round(performance.now() - begun) / 1_000;
}
