import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { Client, ConnectConfig } from "ssh2";
import { MayflyError } from "../errors";
import { abortable } from "../host/abortable";
import { timerMs } from "../timers";
import { FinalDialError, hostKeyMismatch, loginRefused, unreachable } from "./dial-error";
import { nameOf, type Hop } from "./endpoint";
import { gatherWrites } from "./gather-writes";
import { parseHostKey, signatureAlgorithms, type HostKey } from "./host-key";
import { KEY_EXCHANGES } from "./key-exchange";
import { prepareLogin, type Login } from "./login";
import { signAtOnce } from "./sign-at-once";

/** What a connection runs over: a socket, or a channel through another connection. */
export interface Carrier {
  readonly stream: Duplex;
  /** While held, it keeps this process alive; once released it does not. Starts released, apart from its opening. */
  readonly hold: () => void;
  readonly release: () => void;
}

/** A client that is logged in, and what it runs over. */
export interface Dialled {
  readonly client: Client;
  readonly carrier: Carrier;
  /** Where it leads: `root@127.0.0.1:2222`. */
  readonly to: string;
  /** What the server has let us in by: a key's fingerprint, or `password`. */
  readonly proof: string | undefined;
  /** Milliseconds from its opening to the end of the login: how quick the server is just now. */
  readonly took: number;
}

/** How often and how patiently to dial. */
export interface DialOptions {
  /** Opens what the connection is to run over. The signal ends with the attempt. */
  readonly open: (signal: AbortSignal) => Promise<Carrier>;
  readonly signal: AbortSignal;
  /** Goes on when the server refuses the login: of a machine that still boots (pam_nologin). @default false */
  readonly retryRefused?: boolean | undefined;
  /** Those who wait for it, each with a patience of its own. @default the hop's own limits hold */
  readonly waiting?: Waiting | undefined;
}

/** Says how patient those are who wait for a connection. */
export interface Waiting {
  /** An attempt begins. @returns How many seconds it may take; 0 for no limit. */
  readonly begin: () => number;
  /** It has failed, and time may mend that. */
  readonly failed: (error: Error) => void;
}

/** Attempts before one gives up, as remote.Command. */
export const ATTEMPTS = 10;
/** Seconds that an attempt may take, as remote.Command. */
export const ATTEMPT_SECONDS = 15;
const FIRST_PAUSE_MS = 100; // a refused dial costs the other side nothing, and most machines are nearly up
const LONGEST_PAUSE_MS = 3_000;

/**
 * Dials until it is logged in. Tries again after failures that time may mend, with growing pauses (10 attempts: about
 * 14 s and what they take themselves); not when the host key is another one or the login was refused.
 *
 * @throws {MayflyError} `CONNECT_FAILED`, `HOST_KEY_MISMATCH`, `BAD_KEY`; the signal's reason when that fired.
 */
export async function dial(hop: Hop, options: DialOptions): Promise<Dialled> {
  const { signal, retryRefused = false, waiting } = options;
  const begun = performance.now();
  let pause = FIRST_PAUSE_MS;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await attemptOnce(waiting === undefined ? hop : { ...hop, perDialTimeout: waiting.begin() }, options);
    } catch (error) {
      signal.throwIfAborted();
      refuseFurther(waiting === undefined ? hop : { ...hop, dialErrorLimit: -1 }, error, attempt, begun, retryRefused);
      waiting?.failed(error as Error);
      signal.throwIfAborted(); // nobody may wait any more
    }
    await sleep(pause * (0.75 + Math.random() / 2), undefined, { signal }).catch(() => undefined);
    signal.throwIfAborted();
    pause = Math.min(pause * 1.6, LONGEST_PAUSE_MS);
  }
}

/** Whether another attempt has a point; if not, throws what the user is to read. */
function refuseFurther(hop: Hop, error: unknown, attempt: number, begun: number, retryRefused: boolean): void {
  const { dialErrorLimit = ATTEMPTS } = hop;
  const isLast = dialErrorLimit >= 0 && attempt >= Math.max(1, dialErrorLimit);
  if (error instanceof MayflyError) throw error; // a bad key, or the proxy's own failure with its own attempts
  if (error instanceof FinalDialError && (isLast || !(error.refused && retryRefused))) throw error.error;
  if (isLast) throw unreachable(hop, attempt, (performance.now() - begun) / 1_000, error as Error);
}

/**
 * Dials once.
 *
 * @throws {FinalDialError} Another attempt would not mend it. Else what went wrong, or the signal's reason.
 */
export async function attemptOnce(hop: Hop, { open, signal }: DialOptions): Promise<Dialled> {
  const { perDialTimeout = ATTEMPT_SECONDS } = hop;
  const login = await prepareLogin(hop);
  const attempt = new AbortController();
  const onTimeout = () => {
    attempt.abort(new Error(`timed out after ${String(perDialTimeout)} s`));
  };
  const timer = perDialTimeout === 0 ? undefined : setTimeout(onTimeout, timerMs(perDialTimeout));
  const onAbort = () => {
    attempt.abort(signal.reason);
  };
  signal.addEventListener("abort", onAbort, { once: true });
  const begun = performance.now();
  try {
    const carrier = await open(attempt.signal);
    try {
      const client = await logIn(hop, login, carrier.stream, attempt.signal);
      return { client, carrier, to: nameOf(hop), proof: login.proof(), took: performance.now() - begun };
    } catch (error) {
      carrier.stream.destroy();
      carrier.release();
      throw error;
    }
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}

/** Speaks SSH over a stream until we are logged in. */
async function logIn(hop: Hop, login: Login, stream: Duplex, signal: AbortSignal): Promise<Client> {
  const { default: ssh2 } = await import("ssh2");
  const client = new ssh2.Client();
  const pinned = parseHostKey(hop.hostKey);
  const seen: Seen = {};
  gatherWrites(stream);
  client.on("error", ignore); // an error event that nobody hears would end this process's answer to Pulumi
  try {
    await abortable<undefined>(signal, (resolve, reject) => {
      client
        .once("ready", () => {
          resolve(undefined);
        })
        .on("error", (error: LeveledError) => {
          if (error.level === "agent") seen.agentError = error.message;
          else reject(explain(hop, login, pinned, seen, error));
        })
        .once("change password", () => {
          reject(new FinalDialError(loginRefused(hop, login.tried(), "the server wants a new password first"), true));
        })
        .once("close", () => {
          reject(new Error("the other side closed the connection before the login was done"));
        });
      client.connect(configure(hop, stream, login, pinned, seen));
      signAtOnce(client);
    });
    return client;
  } finally {
    client.removeAllListeners().on("error", ignore);
  }
}

/** What an attempt learned on its way. */
interface Seen {
  hostKey?: HostKey;
  agentError?: string;
}

interface LeveledError extends Error {
  readonly level?: string;
}

/** No SHA-1. Ciphers are as ssh2 orders them, by what this CPU is good at, but see {@link ciphersFor}. */
function configure(hop: Hop, stream: Duplex, login: Login, pinned: HostKey, seen: Seen): ConnectConfig {
  return {
    sock: stream,
    username: "", // each login method brings its own
    readyTimeout: 0, // the attempt's own limit covers everything
    keepaliveInterval: 0, // ssh2's timer would keep the process alive; see connection.ts
    authHandler: login.next,
    hostVerifier: (blob: Buffer) => {
      seen.hostKey = parseSeen(blob);
      return blob.equals(pinned.blob);
    },
    algorithms: {
      serverHostKey: signatureAlgorithms(pinned) as never,
      kex: KEY_EXCHANGES,
      hmac: { remove: [/sha1/] } as never,
      cipher: ciphersFor(hop, stream) as never,
    },
  };
}

/**
 * To an emulated guest ChaCha20 first: its CPU has no fast AES, which costs it 2 s more for 256 MiB. Not over a network,
 * where a server older than 2024 may not have closed what Terrapin (CVE-2023-48795) makes of that cipher.
 */
function ciphersFor({ isEmulated = false }: Hop, stream: Duplex): object {
  const isOverNetwork = stream instanceof Socket && stream.remoteAddress !== "127.0.0.1";
  return isEmulated && !isOverNetwork ? EMULATED_CIPHERS : {};
}

const EMULATED_CIPHERS = [
  ...["chacha20-poly1305@openssh.com", "aes128-gcm@openssh.com", "aes256-gcm@openssh.com"],
  ...["aes128-ctr", "aes192-ctr", "aes256-ctr"],
];

function parseSeen(blob: Buffer): HostKey {
  const type = blob.toString("latin1", 4, 4 + blob.readUInt32BE(0));
  try {
    return parseHostKey(`${type} ${blob.toString("base64")}`);
  } catch {
    return { type, blob, fingerprint: "of an unknown kind" };
  }
}

function explain(hop: Hop, login: Login, pinned: HostKey, seen: Seen, error: LeveledError): Error {
  if (seen.hostKey !== undefined && !seen.hostKey.blob.equals(pinned.blob))
    return new FinalDialError(hostKeyMismatch(hop, pinned, seen.hostKey));
  if (error.message.includes("no matching host key"))
    return new FinalDialError(hostKeyMismatch(hop, pinned, undefined));
  const refused = error.level === "client-authentication" || /[Tt]oo many auth/.test(error.message);
  if (refused) return new FinalDialError(loginRefused(hop, login.tried(), seen.agentError), true);
  if (error.message.includes("no matching"))
    return new FinalDialError(
      new MayflyError("CONNECT_FAILED", `the server at ${hop.host} and we have no algorithm in common`, {
        evidence: error.message,
        remedy: "update the SSH server: what we offer, OpenSSH has known since 2014",
      }),
    );
  return error;
}

/** Opens a TCP connection. It does not keep this process alive once it stands, until it is held. */
export async function openSocket({ host, port = 22 }: Hop, signal: AbortSignal): Promise<Carrier> {
  const socket = new Socket();
  // Without it each command takes 44 ms instead of 2.4: small packets would wait for the other side's acknowledgement.
  socket.setNoDelay(true);
  try {
    await abortable<undefined>(signal, (resolve, reject) => {
      const onConnect = () => {
        resolve(undefined);
      };
      socket.once("connect", onConnect).once("error", reject).connect({ host, port });
    });
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    socket.removeAllListeners("error").on("error", ignore);
  }
  const hold = () => void socket.ref();
  const release = () => void socket.unref();
  return { stream: socket, hold, release };
}

function ignore(): void {
  // whoever waits for the connection hears of its end by `close`
}
