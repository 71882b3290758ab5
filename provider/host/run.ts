import type { Readable } from "node:stream";
import { lastingEnvironment } from "./environment";
import { tellOfProgram } from "./programs-run";
import { toolError } from "./tool-error";

/** How a host program is run. */
export interface RunOptions {
  /** Carries the caller's deadline. On abort the program gets SIGTERM, 5 s later SIGKILL. */
  readonly signal: AbortSignal;
  /** Standard input. The way in for secrets: arguments are visible to every user of the host. */
  readonly input?: string | Uint8Array | Readable;
  /** Variables added to our own environment. Never secrets. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Gives the program, which starts some that outlive us, the {@link lastingEnvironment} only. @default false */
  readonly startsLasting?: boolean;
  /** Exit codes that are an answer, not a failure. @default [0] */
  readonly okExitCodes?: readonly number[];
  /** Working directory. @default the process's own */
  readonly directory?: string;
  /** On abort SIGKILL at once: for a program that may not answer signals. @default false */
  readonly killAtOnce?: boolean;
  /** Called with each line that the program prints, on either stream, as it comes. */
  readonly onLine?: (line: string) => void;
}

/** Programs are to say in the words that we know what is wrong. Without LANGUAGE, which goes before in gettext(3). */
const ENGLISH = { LC_ALL: "C.UTF-8", LANGUAGE: "" };

/**
 * Runs a host program to its end and returns its standard output, without the last newline.
 *
 * @throws {MayflyError} `TOOL_MISSING`, `DISK_FULL` or `TOOL_FAILED`, with the program's stderr as evidence.
 */
export async function run(file: string, args: readonly string[], options: RunOptions): Promise<string> {
  const { execa } = await import("execa"); // ESM only; loaded here and nowhere else
  const { signal, okExitCodes = [0], onLine, startsLasting = false } = options;
  signal.throwIfAborted();
  tellOfProgram(file, args);
  const child = execa(file, args, {
    input: options.input ?? "",
    cancelSignal: signal,
    killSignal: options.killAtOnce === true ? "SIGKILL" : "SIGTERM",
    forceKillAfterDelay: 5_000,
    reject: false,
    all: onLine !== undefined,
    ...(options.directory === undefined ? {} : { cwd: options.directory }),
    env: { ...(startsLasting ? lastingEnvironment() : {}), ...ENGLISH, ...options.environment },
    extendEnv: !startsLasting,
  });
  const lines = onLine === undefined ? Promise.resolve() : eachLine(child.iterable({ from: "all" }), onLine);
  const [result] = await Promise.all([child, lines]);
  if (okExitCodes.includes(result.exitCode ?? -1)) return result.stdout;
  signal.throwIfAborted(); // whoever set the deadline words that error
  throw toolError(file, result, options.directory);
}

async function eachLine(lines: AsyncIterable<unknown>, onLine: (line: string) => void): Promise<void> {
  for await (const line of lines) onLine(String(line));
}
