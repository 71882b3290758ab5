import { setMaxListeners } from "node:events";
import { MayflyError } from "../errors";
import { chooseReader, nextReader, renderProgram, type Reader } from "./bootstrap";
import { renderClientConfig, renderKnownHosts, type ClientConfig } from "./client-config";
import { NotStarted, type SshConnection } from "./connection";
import { connectionLost, unreachable } from "./dial-error";
import { nameOf, type Endpoint } from "./endpoint";
import { execute, type ExecRequest, type ExecResult } from "./exec";
import { makeKey, parseKey, type KeyPair, type NewKey, type OwnKey } from "./keys";
import { Pool } from "./pool";

export type { ClientConfig, Endpoint, ExecRequest, ExecResult, KeyPair, NewKey, OwnKey };

const LOGIN_SECONDS = 15; // for the first command, once logged in: start-up files may be slow under emulation

/** The door of this room: keys, connections, commands. Costs nothing until it is used. */
export class Ssh {
  readonly #pool = new Pool();

  /**
   * Makes a key pair, off the event loop.
   *
   * @throws {MayflyError} `BAD_KEY` when there is no such key.
   */
  async makeKey(key: NewKey): Promise<KeyPair> {
    return makeKey(key);
  }

  /**
   * Reads a key of the user's own: OpenSSH, PEM or PKCS#8, also encrypted.
   *
   * @throws {MayflyError} `BAD_KEY`, which says what is wrong and shows nothing of the key.
   */
  async parseKey(key: OwnKey): Promise<KeyPair> {
    return parseKey(key);
  }

  /**
   * Proves that a machine can be worked with: a new connection, a login, a command. The connection then stays for the
   * commands to come. A login that is refused is tried again like a dial that failed: the machine may still boot.
   *
   * @throws {MayflyError} `CONNECT_FAILED`, `HOST_KEY_MISMATCH`, `BAD_KEY`; the signal's reason when that fired.
   */
  async login(endpoint: Endpoint, signal: AbortSignal): Promise<void> {
    const connection = await this.#pool.fresh(endpoint, signal, true);
    connection.take();
    try {
      const { exitCode } = await this.#run(connection, endpoint, { command: "true", timeout: LOGIN_SECONDS }, signal);
      if (exitCode === 0) return;
      connection.retire();
      throw unreachable(endpoint, 1, LOGIN_SECONDS, new Error("logged in, but the command `true` did not succeed"));
    } catch (error) {
      if (!(error instanceof NotStarted)) throw error;
      throw unreachable(endpoint, 1, 0, error);
    } finally {
      connection.giveBack();
    }
  }

  /**
   * Runs a command over a pooled connection. Any exit code is an answer. What is known not to have begun is tried once
   * more on another connection; a command is never run twice.
   *
   * @throws {MayflyError} `CONNECT_FAILED`, `HOST_KEY_MISMATCH`, `BAD_KEY`: it has not begun. `COMMAND_FAILED`: the
   * connection broke under it. The signal's reason, when that fired: it was ended.
   */
  async exec(endpoint: Endpoint, request: ExecRequest, signal: AbortSignal): Promise<ExecResult> {
    if (request.command.includes("\0")) throw badCommand();
    setMaxListeners(0, signal); // hundreds of commands on one signal are no leak that Node should warn of
    for (let lost = 0; ;) {
      const connection = await this.#pool.session(endpoint, signal);
      try {
        return await this.#run(connection, endpoint, request, signal);
      } catch (error) {
        if (!(error instanceof NotStarted)) throw error;
        if (error.reason === "lost") lost += 1;
        const isHopeless = lost > 1 || (error.reason === "refused" && connection.isAlone);
        if (isHopeless) throw unreachable(endpoint, 1, 0, error);
      } finally {
        connection.giveBack();
      }
    }
  }

  /** Ends all connections to a machine that goes; whatever runs on them ends with `COMMAND_FAILED`. */
  forget(endpoint: Endpoint): Promise<void> {
    this.#pool.forget(endpoint);
    return Promise.resolve();
  }

  /** Ends all connections. Not needed for this process to end. */
  close(): Promise<void> {
    this.#pool.close();
    return Promise.resolve();
  }

  /** See {@link renderClientConfig}. */
  renderClientConfig(config: ClientConfig): string {
    return renderClientConfig(config);
  }

  /** See {@link renderKnownHosts}. */
  renderKnownHosts(alias: string, hostKey: string): string {
    return renderKnownHosts(alias, hostKey);
  }

  /** Finds the way in which this server takes programs. Each way that fails has begun nothing. */
  async #run(
    connection: SshConnection,
    endpoint: Endpoint,
    request: ExecRequest,
    signal: AbortSignal,
  ): Promise<ExecResult> {
    let reader: Reader = chooseReader(renderProgram(request, "", connection.reader), connection.reader);
    for (;;) {
      const outcome = await execute(connection, reader, request, signal);
      if (outcome.kind === "ended") return outcome.result;
      if (outcome.kind === "broken") throw connectionLost(endpoint, connection.reason);
      const next = nextReader(reader);
      if (next === undefined || !outcome.mayTryAnother) throw noShell(endpoint, outcome.said);
      connection.reader = next;
      reader = next;
    }
  }
}

function noShell(endpoint: Endpoint, said: string): MayflyError {
  return new MayflyError("CONNECT_FAILED", `${nameOf(endpoint)} logs us in but runs no commands`, {
    evidence: said.split("\n").slice(-5).join("\n"),
    remedy: "give that user a login shell (`usermod -s /bin/sh USER`), and no forced command",
  });
}

function badCommand(): MayflyError {
  return new MayflyError("BAD_INPUT", "a command can't hold a NUL character", { remedy: "pass binary data by stdin" });
}
