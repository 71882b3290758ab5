import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { ClientChannel } from "ssh2";
import { MayflyError } from "../errors";
import { timerMs } from "../timers";
import {
  readSurvivors,
  renderEnd,
  renderProgram,
  renderReader,
  startMark,
  NOT_READ,
  type Program,
  type Reader,
} from "./bootstrap";
import type { SshConnection } from "./connection";
import { Output, StartWatch, type StreamName } from "./output";
import type { Traffic } from "./traffic";

/** One command and how it is run. */
export interface ExecRequest extends Program {
  /** Standard input, byte by byte as given. @default none: the command sees the end of input at once */
  readonly stdin?: string | Uint8Array | Readable | undefined;
  /** Longest run in seconds; then its process group is ended. @default no limit but the signal's */
  readonly timeout?: number | undefined;
  /** Most bytes kept of each of stdout and stderr; with more the command is ended. @default 10485760 */
  readonly maxOutputBytes?: number | undefined;
  /** Nothing that could tell the command may be written down. @default false */
  readonly isSecret?: boolean | undefined;
  /** Called when the command may have begun. */
  readonly onStart?: (() => void) | undefined;
  /** Called with each line as it comes, without its end. */
  readonly onLine?: ((line: string, stream: StreamName) => void) | undefined;
}

/** How a command ended. */
export class ExecResult {
  /** Its exit code; `undefined` when it did not end by itself. */
  readonly exitCode: number | undefined;
  /** The signal that ended it: `SIGKILL`. */
  readonly signal: string | undefined;
  /** Why we ended it, if we did. */
  readonly endedBy: "timeout" | "outputLimit" | undefined;
  /** Processes of it that we could not end, and that may run on: of another user, without `sudo` for whoever logs in. */
  readonly survivors: readonly number[];
  /** From its start to the end of its output. */
  readonly durationSeconds: number;
  /** What it printed, as bytes. */
  readonly bytes: Readonly<Record<StreamName, Buffer>>;

  /** @param ended All of it. */
  constructor(ended: Pick<ExecResult, "exitCode" | "signal" | "endedBy" | "survivors" | "durationSeconds" | "bytes">) {
    this.exitCode = ended.exitCode;
    this.signal = ended.signal;
    this.endedBy = ended.endedBy;
    this.survivors = ended.survivors;
    this.durationSeconds = ended.durationSeconds;
    this.bytes = ended.bytes;
  }

  /** What it printed, as UTF-8; bytes that are none show as U+FFFD. */
  get stdout(): string {
    return this.bytes.stdout.toString("utf8");
  }

  /** What it printed on the other stream. */
  get stderr(): string {
    return this.bytes.stderr.toString("utf8");
  }
}

/** What came of an attempt to run a command. */
export type Outcome =
  | { readonly kind: "ended"; readonly result: ExecResult }
  /** The login shell did not take the program; the command has not begun. */
  | { readonly kind: "notTaken"; readonly said: string; readonly mayTryAnother: boolean }
  /** The connection broke. Nobody knows how far the command came. */
  | { readonly kind: "broken" };

const MAX_OUTPUT = 10_485_760;
/** A command in the background may hold the output open long after the command itself ended; then we leave it. */
const LINGER_MS = 3_000;
const LONGEST_LINGER_MS = 30_000; // also when that one goes on printing
/** TERM, 2 s, KILL, 1.2 s (see {@link renderEnd}), what the looks take, and the way there and back. */
const ENDING_MS = 7_000;

/** A command to run, and what goes with it. */
interface Order {
  readonly request: ExecRequest;
  /** Counts the command's input and output. */
  readonly traffic: Traffic;
  /** Another connection to the same server: to end a command there when its own takes no more sessions. */
  readonly elsewhere: () => Promise<SshConnection>;
}

/**
 * Runs a command on a connection, in a place that was taken for it.
 *
 * @throws {NotStarted} The command has certainly not begun. Else the signal's reason, when that fired, or what went
 * wrong with the stream of its input; the command's process group is ended then. Where it could not be ended as a whole,
 * {@link MayflyError} `COMMAND_FAILED` that says so.
 */
export async function execute(
  connection: SshConnection,
  reader: Reader,
  order: Order,
  signal: AbortSignal,
): Promise<Outcome> {
  const token = `mayfly-${randomBytes(9).toString("hex")}`;
  const program = renderProgram(order.request, token, reader);
  const channel = await connection.start(renderReader(reader, token, program), signal);
  if (signal.aborted) channel.close();
  signal.throwIfAborted();
  const run = new Run({ ...order, connection, channel }, new StartWatch(startMark(token)));
  run.feed(program);
  return run.outcome(signal);
}

/** What a run works with. */
interface Means extends Order {
  readonly connection: SshConnection;
  readonly channel: ClientChannel;
}

/** One command that runs. */
class Run {
  readonly #begun = performance.now();
  readonly #outputs: Readonly<Record<StreamName, Output>>;
  #exit: { code: number | undefined; signal: string | undefined; at: number } | undefined;
  #endedBy: ExecResult["endedBy"];
  #survivors: readonly number[] = [];
  #isStarted = false;
  #inputFailure: Error | undefined;
  #linger: NodeJS.Timeout | undefined;
  #finish: () => void = () => undefined;
  /** Fires when nothing more is to be expected. */
  readonly #over = new Promise<void>((resolve) => {
    this.#finish = resolve;
  });

  constructor(
    private readonly means: Means,
    private readonly start: StartWatch,
  ) {
    const { maxOutputBytes = MAX_OUTPUT, onLine } = means.request;
    const output = (stream: StreamName) =>
      new Output(maxOutputBytes, onLine === undefined ? undefined : (line) => onLine(line, stream));
    this.#outputs = { stdout: output("stdout"), stderr: output("stderr") };
    this.#listen();
  }

  /**
   * Sends the program, and after it the command's own input. That is not awaited: a command that ends without reading
   * all of its input is nothing special. A stream can't be read twice, so it waits until the program was taken.
   */
  feed(program: string): void {
    const { channel, request, traffic } = this.means;
    channel.write(program);
    if (request.stdin instanceof Readable) return;
    channel.end(request.stdin);
    traffic.sent += Buffer.byteLength(request.stdin ?? "");
  }

  /** Waits for the end, or brings it about. */
  async outcome(signal: AbortSignal): Promise<Outcome> {
    const { channel, request } = this.means;
    const { timeout, stdin } = request;
    const onAbort = () => void this.#stop();
    signal.addEventListener("abort", onAbort, { once: true });
    const onTimeout = () => {
      this.#endedBy ??= "timeout";
      void this.#stop();
    };
    const timer = timeout === undefined ? undefined : setTimeout(onTimeout, timerMs(timeout));
    try {
      await this.#over;
    } finally {
      clearTimeout(timer);
      clearTimeout(this.#linger);
      signal.removeEventListener("abort", onAbort);
      if (stdin instanceof Readable) stdin.unpipe(channel).off("data", this.#onInput).off("error", this.#onInputError);
    }
    const failure = signal.aborted ? (signal.reason as Error) : this.#inputFailure;
    if (failure !== undefined) throw this.#survivors.length === 0 ? failure : runsOn(this.#survivors, failure);
    return this.#judge();
  }

  #listen(): void {
    const { connection, channel } = this.means;
    const stopWaiting = connection.onEnd(() => {
      this.#finish();
    });
    let open = 2; // the channel's close does not wait for stderr's
    const close = () => {
      open -= 1;
      if (open === 0) this.#finish();
    };
    channel
      .on("data", (chunk: Buffer) => {
        this.#take("stdout", this.start.push(chunk));
        this.#onceStarted();
      })
      .on("exit", (code: number | null, signal?: string) => {
        this.#exit = { code: code ?? undefined, signal, at: performance.now() };
        this.#lingerOn();
      })
      .once("close", (code?: number | null, signal?: string) => {
        // The exit of a shell that takes no program may be told before anybody listens; the close tells it again.
        if (code !== undefined) this.#exit ??= { code: code ?? undefined, signal, at: performance.now() };
        close();
      });
    channel.stderr
      .on("data", (chunk: Buffer) => {
        this.#take("stderr", chunk);
      })
      .once("close", close);
    void this.#over.then(stopWaiting);
  }

  #take(stream: StreamName, chunk: Buffer): void {
    this.means.traffic.received += chunk.length;
    if (this.#exit !== undefined) this.#lingerOn();
    if (this.#outputs[stream].push(chunk) || this.#endedBy !== undefined) return;
    this.#endedBy = "outputLimit";
    void this.#stop();
  }

  #onceStarted(): void {
    const { channel, request } = this.means;
    const { stdin } = request;
    if (this.#isStarted || this.start.processGroup === undefined) return;
    this.#isStarted = true;
    request.onStart?.();
    if (stdin instanceof Readable) stdin.once("error", this.#onInputError).on("data", this.#onInput).pipe(channel);
  }

  readonly #onInput = (chunk: Buffer | string): void => {
    this.means.traffic.sent += Buffer.byteLength(chunk);
  };

  /** A command must not take half of its input for all of it. */
  readonly #onInputError = (error: Error): void => {
    this.#inputFailure = error;
    void this.#stop();
  };

  #lingerOn(): void {
    const rest = LONGEST_LINGER_MS - (performance.now() - (this.#exit?.at ?? 0));
    clearTimeout(this.#linger);
    this.#linger = setTimeout(
      () => {
        this.means.channel.close();
        this.#finish();
      },
      Math.min(LINGER_MS, Math.max(0, rest)),
    );
  }

  /** Ends the process group over a session of its own; without an answer, leaves it. */
  async #stop(): Promise<void> {
    const { connection, channel } = this.means;
    const { processGroup } = this.start;
    const patience = new AbortController();
    if (processGroup !== undefined && connection.isOpen) {
      const ended = this.#endThere(processGroup).then(async (survivors) => {
        this.#survivors = survivors;
        if (survivors.length === 0) await this.#over; // what survives holds the output open
      });
      await Promise.race([ended, sleep(ENDING_MS, undefined, { signal: patience.signal }).catch(() => undefined)]);
    }
    patience.abort();
    channel.close();
    this.#finish();
  }

  /** Tells what could not be ended there; nothing where that is not known: then the command's own end decides. */
  async #endThere(processGroup: number): Promise<readonly number[]> {
    const { connection, elsewhere } = this.means;
    const line = renderEnd(processGroup);
    try {
      const session = await connection.start(line).catch(async () => (await elsewhere()).start(line));
      let printed = "";
      session.on("data", (chunk: Buffer) => (printed += chunk.toString())).end();
      const [exitCode] = (await once(session, "close")) as [(number | null)?];
      return readSurvivors(exitCode, printed);
    } catch {
      return [];
    }
  }

  #judge(): Outcome {
    const { code, signal } = this.#exit ?? {};
    const bytes = { stdout: this.#outputs.stdout.end(), stderr: this.#outputs.stderr.end() };
    if (this.start.processGroup === undefined && this.#exit !== undefined && this.#endedBy === undefined)
      return {
        kind: "notTaken",
        said: [this.start.noise, bytes.stderr.toString("utf8")].join("\n").trim(),
        // One that speaks but takes no program is a forced command, or a notice that there is no shell.
        mayTryAnother: code === NOT_READ || this.start.noise === "",
      };
    if (this.#exit === undefined && this.#endedBy === undefined) return { kind: "broken" };
    const durationSeconds = Math.round(performance.now() - this.#begun) / 1_000;
    const exitCode = this.#endedBy === undefined ? code : undefined;
    return {
      kind: "ended",
      result: new ExecResult({
        exitCode,
        signal,
        endedBy: this.#endedBy,
        survivors: this.#survivors,
        durationSeconds,
        bytes,
      }),
    };
  }
}

/** That a command was to be ended and was not, as a whole. */
function runsOn(survivors: readonly number[], cause: Error): MayflyError {
  const pids = survivors.join(" ");
  return new MayflyError("COMMAND_FAILED", `the command could not be ended: of its processes ${pids} run on there`, {
    ...{ evidence: cause.message, cause },
    remedy: `end them as root, in the guest: kill -KILL ${pids}`,
  });
}
