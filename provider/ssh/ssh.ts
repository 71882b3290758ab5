import { setMaxListeners } from "node:events";
import { join } from "node:path";
import { MayflyError } from "../errors";
import { findInAgent } from "./agent";
import { chooseReader, nextReader, renderProgram, type Reader } from "./bootstrap";
import { renderClientConfig, renderKnownHosts, renderLogin, type ClientConfig } from "./client-config";
import { download, fingerprint, removeFile, upload, type Copied, type Download, type Upload } from "./copy";
import { NotStarted } from "./channel";
import type { SshConnection } from "./connection";
import { connectionLost, unreachable, Unreachable } from "./dial-error";
import { nameOf, type Endpoint } from "./endpoint";
import { execute, type ExecRequest, type ExecResult } from "./exec";
import { makeKey, parseKey, type KeyPair, type NewKey, type OwnKey } from "./keys";
import { Pool } from "./pool";
import { Knock, tryLogin, type LoginSight } from "./probe";
import { parsePublicKey, type PublicKey } from "./public-key";
import type { Remote } from "./remote";
import { describeCommand, SessionLogs, type SessionKind } from "./session-log";
import { Sftp } from "./sftp";
import { previewSync, removeSynced, sync, type Synced, type SyncRequest } from "./sync";
import type { Traffic } from "./traffic";
import { watchSync, type WatchOutcome, type WatchRequest } from "./sync-watch";

export type {
  ClientConfig,
  Copied,
  Download,
  Endpoint,
  ExecRequest,
  ExecResult,
  KeyPair,
  Knock,
  LoginSight,
  NewKey,
  OwnKey,
  PublicKey,
  Synced,
  SyncRequest,
  Upload,
  WatchOutcome,
  WatchRequest,
};

const PATIENT_SECONDS = 60; // where a dial takes half a second of an emulated CPU that nobody else wants
const LOGIN_SECONDS = 15; // for the first command, once logged in: start-up files may be slow under emulation
const CLEAN_UP_MS = 5_000; // whoever pressed ^C waits for it

/** How far a login is tried: until the server has let us in, or until it has run a command. */
export type LoginDepth = "login" | "command";

/** The door of this room: keys, connections, commands. Costs nothing until it is used. */
export class Ssh {
  readonly #pool = new Pool();
  readonly #logs = new SessionLogs();

  /** @param rsyncShell See {@link Remote}. Built it is beside us; a test of the source has to say where. */
  constructor(private readonly rsyncShell = join(__dirname, "..", "rsync-shell.js")) {}

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

  /** See {@link parsePublicKey}. */
  parsePublicKey(line: string, comment?: string): PublicKey {
    return parsePublicKey(line, comment);
  }

  /** See {@link findInAgent}. */
  async findInAgent(...args: Parameters<typeof findInAgent>): Promise<PublicKey> {
    return findInAgent(...args);
  }

  /**
   * Proves that a machine can be worked with: a new connection, a login, and a command. The connection then stays for
   * the commands to come. A login that is refused is tried again like a dial that failed: the machine may still boot.
   *
   * @param depth `login` leaves the command out.
   * @throws {MayflyError} `CONNECT_FAILED`, `HOST_KEY_MISMATCH`, `BAD_KEY`; the signal's reason when that fired.
   */
  async login(endpoint: Endpoint, signal: AbortSignal, depth: LoginDepth = "command"): Promise<void> {
    const connection = await this.#pool.fresh(endpoint, signal, true);
    if (!connection.isOpen) throw unreachable(endpoint, 1, 0, new Error(connection.reason));
    if (endpoint.log !== undefined) this.#logs.connected(connection, endpoint.log);
    if (depth === "login") return;
    connection.take();
    try {
      const request = { command: "true", timeout: LOGIN_SECONDS };
      const { exitCode } = await this.#runRecorded(connection, endpoint, request, signal);
      if (exitCode === 0) return;
      connection.retire();
      throw noShell(endpoint, "the command `true` did not succeed");
    } catch (error) {
      if (!(error instanceof NotStarted)) throw error;
      if (error.reason === "refused") throw noShell(endpoint, error.message);
      throw unreachable(endpoint, 1, 0, error);
    } finally {
      connection.giveBack();
    }
  }

  /**
   * The same with a machine that has just come up, which may restart its server, or itself: as long as nobody is there. Each
   * attempt is patient: of many machines that start together each is slow.
   *
   * @param depth As for {@link login}.
   * @throws {MayflyError} As {@link login}; the signal's reason when that fired.
   */
  async loginToNew(endpoint: Endpoint, signal: AbortSignal, depth?: LoginDepth): Promise<void> {
    for (;;) {
      try {
        await this.login({ perDialTimeout: PATIENT_SECONDS, ...endpoint }, signal, depth);
        return;
      } catch (error) {
        signal.throwIfAborted();
        const wasLost = error instanceof MayflyError && error.code === "COMMAND_FAILED"; // under `true`
        if (!wasLost && !(error instanceof Unreachable)) throw error;
      }
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
    refuseBad(request);
    return this.#onConnection(endpoint, signal, describeCommand(request), (connection, traffic) =>
      this.#run(connection, endpoint, { request, traffic }, signal),
    );
  }

  /**
   * Copies a file, or bytes, to a server: into a file beside its place first, compared there by its hash, then put into
   * place in one step. A connection that breaks is made again, and the copy goes on where it was.
   *
   * @throws {MayflyError} `COPY_FAILED`, `NOT_FOUND`, `CONNECT_FAILED`, `HOST_KEY_MISMATCH`, `BAD_KEY`; the signal's
   * reason, when that fired.
   */
  async upload(endpoint: Endpoint, request: Upload, signal: AbortSignal): Promise<Copied> {
    return upload(this.#remote(endpoint, signal), request);
  }

  /** The same in the other direction. */
  async download(endpoint: Endpoint, request: Download, signal: AbortSignal): Promise<Copied> {
    return download(this.#remote(endpoint, signal), request);
  }

  /** Hash and size of a file on a server; `undefined` when there is no such file. */
  async fingerprint(endpoint: Endpoint, remotePath: string, signal: AbortSignal): Promise<Copied | undefined> {
    return fingerprint(this.#remote(endpoint, signal), remotePath);
  }

  /** Removes a file on a server. Succeeds when it is already gone. */
  async removeFile(endpoint: Endpoint, remotePath: string, signal: AbortSignal): Promise<void> {
    await removeFile(this.#remote(endpoint, signal), remotePath);
  }

  /** Connects to a port to hear who is there; the caller disposes of it. */
  knock(hop: Pick<Endpoint, "host" | "port">): Knock {
    return new Knock(hop);
  }

  /** Logs in once, apart from all pooled connections, and says how far that came. Rejects with the signal's reason only. */
  async tryLogin(endpoint: Endpoint, signal: AbortSignal): Promise<LoginSight> {
    const run = async (connection: SshConnection, request: ExecRequest) =>
      this.#runRecorded(connection, endpoint, request, signal);
    return tryLogin(endpoint, run, signal);
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

  /** Writes down that all connections end: this process does, and they with it. Synchronous: for its last moments. */
  recordEnd(): void {
    this.#logs.endAll();
  }

  /** See {@link renderClientConfig}. */
  renderClientConfig(config: ClientConfig): string {
    return renderClientConfig(config);
  }

  /** See {@link renderKnownHosts}. */
  renderKnownHosts(alias: string, hostKey: string): string {
    return renderKnownHosts(alias, hostKey);
  }

  /** See {@link renderLogin}. */
  renderLogin(config: string, alias: string): string {
    return renderLogin(config, alias);
  }

  /**
   * Makes one folder like another one, here or there. Only what differs travels.
   *
   * @throws {MayflyError} As {@link upload}.
   */
  async sync(endpoint: Endpoint, request: SyncRequest, signal: AbortSignal): Promise<Synced> {
    return sync(this.#remote(endpoint, signal), request);
  }

  /** What {@link sync} would do; changes nothing. */
  async previewSync(endpoint: Endpoint, request: SyncRequest, signal: AbortSignal): Promise<Synced> {
    return previewSync(this.#remote(endpoint, signal), request);
  }

  /** See {@link removeSynced}. Succeeds when all of it is already gone. */
  async removeSynced(endpoint: Endpoint, request: SyncRequest, signal: AbortSignal): Promise<void> {
    return removeSynced(this.#remote(endpoint, signal), request);
  }

  /**
   * Keeps a folder of a server like one of this host: syncs now, and after each change. What fails is reported, and tried
   * again at the next change. Ends when the signal fires; never fails by itself.
   */
  async watch(endpoint: Endpoint, request: WatchRequest, signal: AbortSignal): Promise<void> {
    return watchSync(this.#remote(endpoint, signal), request);
  }

  #remote(endpoint: Endpoint, signal: AbortSignal): Remote {
    return {
      ...{ name: nameOf(endpoint), signal, rsyncShell: this.rsyncShell },
      exec: (request) => this.exec(endpoint, request, signal),
      session: (line, work) =>
        this.#onConnection(endpoint, signal, { kind: "program" }, async (connection, traffic) =>
          work(await connection.start(line, signal), traffic),
        ),
      sftp: (work) => this.#inSftp(endpoint, signal, work),
      cleanUp: (work) => this.#inSftp(endpoint, AbortSignal.timeout(CLEAN_UP_MS), work).catch(() => undefined),
    };
  }

  #inSftp<T>(endpoint: Endpoint, signal: AbortSignal, work: (sftp: Sftp) => Promise<T>): Promise<T> {
    return this.#onConnection(endpoint, signal, { kind: "sftp" }, async (connection, traffic) => {
      const sftp = new Sftp(await connection.sftp(signal), signal, traffic);
      try {
        return await work(sftp);
      } finally {
        sftp.end();
      }
    });
  }

  /** Works on a pooled connection; once more on another one when nothing has begun. */
  async #onConnection<T>(
    endpoint: Endpoint,
    signal: AbortSignal,
    kind: SessionKind,
    work: (connection: SshConnection, traffic: Traffic) => Promise<T>,
  ): Promise<T> {
    setMaxListeners(0, signal); // hundreds of commands on one signal are no leak that Node should warn of
    for (let lost = 0; ;) {
      const connection = await this.#pool.session(endpoint, signal);
      const begunAlone = connection.isAlone;
      try {
        return await this.#logs.run(connection, endpoint.log, kind, (traffic) => work(connection, traffic));
      } catch (error) {
        if (!(error instanceof NotStarted)) throw error;
        if (error.isForbidden) throw noSftp(endpoint, error);
        if (error.reason === "lost") lost += 1;
        // Refused beside others, which may have ended meanwhile, tells nothing of what the server takes at all.
        const isHopeless = lost > 1 || (error.reason === "refused" && begunAlone && connection.isAlone);
        if (isHopeless) throw unreachable(endpoint, 1, 0, error);
      } finally {
        connection.giveBack();
      }
    }
  }

  /** Runs a command on that very connection, with a line in the log at its start and one at its end. */
  async #runRecorded(
    connection: SshConnection,
    endpoint: Endpoint,
    request: ExecRequest,
    signal: AbortSignal,
  ): Promise<ExecResult> {
    return this.#logs.run(connection, endpoint.log, describeCommand(request), (traffic) =>
      this.#run(connection, endpoint, { request, traffic }, signal),
    );
  }

  /** Finds the way in which this server takes programs. Each way that fails has begun nothing. */
  async #run(
    connection: SshConnection,
    endpoint: Endpoint,
    { request, traffic }: { readonly request: ExecRequest; readonly traffic: Traffic },
    signal: AbortSignal,
  ): Promise<ExecResult> {
    let reader: Reader = chooseReader(renderProgram(request, "", connection.reader), connection.reader);
    const elsewhere = () => this.#pool.fresh(endpoint, soon());
    for (;;) {
      const outcome = await execute(connection, reader, { request, traffic, elsewhere }, signal);
      if (outcome.kind === "ended") return outcome.result;
      if (outcome.kind === "broken") throw connectionLost(endpoint, connection.reason);
      const next = nextReader(reader);
      if (next === undefined || !outcome.mayTryAnother) throw noShell(endpoint, outcome.said);
      connection.reader = next;
      reader = next;
    }
  }
}

function noSftp(endpoint: Endpoint, { message }: Error): MayflyError {
  return new MayflyError("CONNECT_FAILED", `${nameOf(endpoint)} logs us in but has no SFTP`, {
    evidence: message,
    remedy: "install its SFTP server there (apt-get install openssh-sftp-server), and allow `Subsystem sftp` in sshd",
  });
}

function noShell(endpoint: Endpoint, said: string): MayflyError {
  return new MayflyError("CONNECT_FAILED", `${nameOf(endpoint)} logs us in but runs no commands`, {
    evidence: said.split("\n").slice(-5).join("\n"),
    remedy: "give that user a login shell (`usermod -s /bin/sh USER`), and no forced command",
  });
}

function refuseBad({ command, environment = {}, directory = "" }: ExecRequest): void {
  const name = Object.keys(environment).find((key) => !/^[A-Za-z_]\w*$/.test(key));
  const remedy = "names are letters, digits and _; pass binary data by stdin";
  if (name !== undefined) throw new MayflyError("BAD_INPUT", `"${name}" can't be the name of a variable`, { remedy });
  if ([command, directory, ...Object.values(environment)].some((text) => text.includes("\0")))
    throw new MayflyError("BAD_INPUT", "a command, its directory and its variables can't hold a NUL", { remedy });
}

/** Long enough for one more login, short enough for whoever waits for a command to be ended. */
function soon(): AbortSignal {
  return AbortSignal.timeout(3_000);
}
