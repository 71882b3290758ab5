import { readFile, rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { nameOf } from "../../provider/ssh/endpoint";
import type { ProgramEnd } from "../../provider/ssh/session-log";
import { splitSshLine } from "../args/ssh";
import { EXIT } from "../exit-codes";
import { note } from "../output";
import type { Session } from "../rooms";
import { endpointOf, sshFiles } from "./connect";
import { LineReader } from "./follow";

/** The exit code of OpenSSH's programs where the connection has not come about, or has broken. */
export const BROKEN = 255;
const LOOK_MS = 200; // at what ssh has to say
/** What ssh tells at the level at which it also tells what it has carried; our configuration hides it. */
const USUAL = /^(?:Authenticated to |Transferred: sent |Bytes per second: |Connection to \S+ closed\.)/;
const CARRIED = /^Transferred: sent (\d+), received (\d+) bytes/;
const VERBOSE = ["-o", "LogLevel=VERBOSE"];

/** What OpenSSH's client is to do on a machine. */
export interface SshCall {
  /** Options before the machine's name. */
  readonly before: readonly string[];
  /** Options and the command after it. */
  readonly after: readonly string[];
  /** The command as the user has typed it, for the session log. @default as in `after` */
  readonly typed?: string;
  /** Called when the connection did not come about, or broke. */
  readonly onBroken?: (() => void) | undefined;
  /** Gets its output line by line, instead of the terminal. */
  readonly onLine?: ((line: string) => void) | undefined;
}

/** What a person is told whose connection to a machine did not come about, or broke. */
export function pointToDiagnosis(name: string): () => void {
  return () => {
    note(`  to find out why: mayfly diagnose ${name}`);
  };
}

/**
 * Runs OpenSSH's client on a machine, with our terminal, and writes it down in the machine's session log.
 *
 * @returns Its exit code.
 */
export async function runSsh(
  id: string,
  { before, after, typed, onBroken, onLine }: SshCall,
  session: Session,
): Promise<number> {
  const { config, alias } = await sshFiles(id, session);
  const { runAttached } = await import("../../provider/host/attached.js");
  // In a file of its own, as the guest's programs say what they like on standard error.
  const file = session.machines.file(id, `ssh-${String(process.pid)}.log`);
  const said = new Said();
  const reader = new LineReader(file, said.hear);
  const { destination: program = "", after: words } = splitSshLine(after);
  const command = (typed ?? `${program} ${words.join(" ")}`.trim()) || undefined;
  const over = new AbortController();
  const relaying = relay(reader, over.signal);
  try {
    const line = ["-F", config, "-E", file, ...VERBOSE, ...before, alias, ...after];
    const run = runAttached("ssh", line, session.signal, { onLine });
    return await recorded(id, { kind: "ssh", command, said, run, onBroken }, session, () => reader.read());
  } finally {
    over.abort();
    await relaying;
    await rm(file, { force: true });
  }
}

/** The same with scp(1). */
export async function runScp(
  id: string,
  { wordsOf, onBroken }: Pick<SshCall, "onBroken"> & { readonly wordsOf: (alias: string) => readonly string[] },
  session: Session,
): Promise<number> {
  const { config, alias } = await sshFiles(id, session);
  const { runAttached } = await import("../../provider/host/attached.js");
  const said = new Said();
  const run = runAttached("scp", ["-F", config, ...VERBOSE, ...wordsOf(alias)], session.signal, {
    onErrorLine: said.hear,
  });
  return recorded(id, { kind: "scp", said, run, onBroken }, session);
}

/** What one of OpenSSH's programs says of itself: passed on, but for what is only there to be counted. */
class Said {
  traffic: ProgramEnd["traffic"];
  /** Whether it has complained: of its own accord it says nothing else. */
  hasComplained = false;
  #isVerbose = false;

  readonly hear = (line: string): void => {
    const text = line.trimEnd();
    const [, sent, received] = CARRIED.exec(text) ?? [];
    if (sent !== undefined) this.traffic = { sent: Number(sent), received: Number(received) };
    this.#isVerbose ||= text.startsWith("debug1:");
    const isUsual = USUAL.test(text);
    this.hasComplained ||= !isUsual;
    if (this.#isVerbose || !isUsual) process.stderr.write(`${text}\n`);
  };
}

async function relay(reader: LineReader, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await reader.read();
    await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined);
  }
}

interface Running {
  readonly kind: string;
  readonly command?: string | undefined;
  readonly said: Said;
  readonly run: Promise<number>;
  readonly onBroken?: SshCall["onBroken"];
}

/** Writes a program down. Its key is read while it runs already: that takes as long as a good part of its start. */
async function recorded(
  id: string,
  { kind, command, said, run, onBroken }: Running,
  session: Session,
  lastLines?: () => Promise<void>,
): Promise<number> {
  const recording = beginRecord(id, { kind, command }, session).catch(() => undefined); // fails no program
  const exitCode = await run;
  await lastLines?.();
  (await recording)?.({ exitCode, traffic: said.traffic });
  // A command in the machine may end with the same code; then ssh has nothing to say.
  if (exitCode === BROKEN && said.hasComplained && !session.signal.aborted) onBroken?.();
  return session.signal.aborted ? EXIT.interrupted : exitCode; // OpenSSH ends with 255 then, as for a connection that broke
}

async function beginRecord(
  id: string,
  what: Pick<Running, "kind" | "command">,
  session: Session,
): Promise<(end: ProgramEnd) => void> {
  const [{ recordProgram }, endpoint] = await Promise.all([
    import("../../provider/ssh/session-log.js"),
    endpointOf({ id }, session),
  ]);
  const { log, privateKey } = endpoint;
  if (log === undefined) return () => undefined;
  const { fingerprint } =
    privateKey === undefined // the agent has it, and the VM keeps the public half in its place
      ? session.ssh.parsePublicKey(await readFile(session.machines.file(id, "id"), "utf8"))
      : await session.ssh.parseKey({ privateKey });
  return recordProgram(log, { ...what, to: nameOf(endpoint), key: fingerprint });
}
