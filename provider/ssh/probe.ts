import { connect, type Socket } from "node:net";
import { NotStarted } from "./channel";
import { SshConnection } from "./connection";
import { attemptOnce, openSocket } from "./dial";
import { FinalDialError } from "./dial-error";
import type { Endpoint, Hop } from "./endpoint";
import type { ExecRequest, ExecResult } from "./exec";
import { MayflyError } from "../errors";

const MOST_BANNER = 4_096; // what a server may say before its banner (RFC 4253, section 4.2) is of no use to us

/** A TCP connection that listens for the first line of an SSH server, and says nothing. Held until disposed of. */
export class Knock implements Disposable {
  readonly #socket: Socket;
  readonly #begun = performance.now();
  #text = "";
  #banner: string | undefined;
  #ended: string | undefined;
  #heard: () => void = () => undefined;

  /** Connects. */
  constructor({ host, port = 22 }: Pick<Hop, "host" | "port">) {
    this.#socket = connect({ host, port })
      .on("error", ({ code, message }: NodeJS.ErrnoException) => {
        this.#end(code ?? message);
      })
      .on("close", () => {
        this.#end("closed");
      })
      .on("data", (data: Buffer) => {
        this.#take(data.toString("latin1"));
      });
  }

  /** What the server said of itself: `SSH-2.0-OpenSSH_9.2p1 Debian-2`; `undefined`: nothing so far. */
  get banner(): string | undefined {
    return this.#banner;
  }

  /** Why there is no connection any more: `ECONNREFUSED`, `closed`…; `undefined` while it stands. */
  get ended(): string | undefined {
    return this.#ended;
  }

  /** Since the beginning. */
  get seconds(): number {
    return (performance.now() - this.#begun) / 1_000;
  }

  /** Waits for the banner, the end, or the end of patience. Rejects with the signal's reason only. */
  async hear(patienceSeconds: number, signal: AbortSignal): Promise<void> {
    const patience = AbortSignal.any([signal, AbortSignal.timeout(patienceSeconds * 1_000)]);
    if (this.#banner === undefined && this.#ended === undefined && !patience.aborted)
      await new Promise<void>((resolve) => {
        this.#heard = resolve;
        patience.addEventListener("abort", () => {
          resolve();
        });
      });
    signal.throwIfAborted();
  }

  /** Ends the connection. */
  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  #take(text: string): void {
    this.#text += text;
    const [, banner] = /^(SSH-[^\r\n]*)\r?\n/m.exec(this.#text) ?? [];
    this.#banner ??= banner;
    if (this.#banner !== undefined) this.#heard();
    else if (this.#text.length > MOST_BANNER) this.#socket.destroy(new Error("it is no SSH server"));
  }

  #end(reason: string): void {
    this.#ended ??= reason;
    this.#heard();
  }
}

/** How far a login came, at one attempt. */
export interface LoginSight {
  /**
   * What it failed at, or `open`: a command ran. `handshake`: before the server had proved who it is, or in a way that has
   * nothing to do with keys.
   */
  readonly reached: "handshake" | "hostKey" | "key" | "session" | "open";
  /** What was seen there; empty for `open`. */
  readonly seen: string;
  /** From the connection to its end. */
  readonly seconds: number;
}

/** How a command is run on a connection, as {@link Ssh.exec} does. */
type Run = (connection: SshConnection, request: ExecRequest) => Promise<ExecResult>;

const HANDSHAKE_SECONDS = 20; // takes half a second under emulation, and longer where many VMs start
const COMMAND_SECONDS = 10; // for `true`; a login shell may be slow

/** Logs in once over a connection of its own and runs `true`. Never rejects but for the signal's reason. */
export async function tryLogin(endpoint: Endpoint, run: Run, signal: AbortSignal): Promise<LoginSight> {
  const begun = performance.now();
  const ended = (reached: LoginSight["reached"], seen = ""): LoginSight => ({
    ...{ reached, seen, seconds: (performance.now() - begun) / 1_000 },
  });
  let connection: SshConnection;
  try {
    const hop = { ...endpoint, perDialTimeout: HANDSHAKE_SECONDS };
    const open = async (attempt: AbortSignal) => openSocket(endpoint, attempt);
    connection = new SshConnection(await attemptOnce(hop, { open, signal }), () => undefined);
  } catch (error) {
    signal.throwIfAborted();
    return ended(...refusal(error));
  }
  connection.take();
  try {
    const { exitCode, endedBy, stderr, stdout } = await run(connection, { command: "true", timeout: COMMAND_SECONDS });
    if (exitCode === 0) return ended("open");
    const how = endedBy === "timeout" ? `was not done after ${String(COMMAND_SECONDS)} s` : "did not succeed";
    return ended("session", [`logged in, but the command \`true\` ${how}`, stdout, stderr].join("\n").trimEnd());
  } catch (error) {
    signal.throwIfAborted();
    return ended("session", error instanceof NotStarted ? error.message || connection.reason : wordsOf(error));
  } finally {
    connection.giveBack();
    connection.destroy();
  }
}

function refusal(error: unknown): [LoginSight["reached"], string] {
  if (!(error instanceof FinalDialError))
    return [error instanceof MayflyError && error.code === "BAD_KEY" ? "key" : "handshake", wordsOf(error)];
  if (error.refused) return ["key", wordsOf(error.error)];
  return [error.error.code === "HOST_KEY_MISMATCH" ? "hostKey" : "handshake", wordsOf(error.error)];
}

/** What was seen, where an error says that apart from what happened. */
function wordsOf(error: unknown): string {
  if (error instanceof MayflyError) return error.evidence ?? error.message;
  return error instanceof Error ? error.message : String(error);
}
