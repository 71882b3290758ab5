import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { IncompleteError, MayflyError, withoutPointer } from "../errors";
import { timerMs } from "../timers";

/** One call of a verb, as an error names it. */
export interface Call {
  /** `VM`, `SshKey`… */
  readonly kind: string;
  /** The resource's name in the program. */
  readonly name: string;
  readonly verb: "check" | "create" | "read" | "update" | "delete" | "diff";
}

const UNITS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3_600, d: 86_400 };

/** Reads what Pulumi takes for a timeout (`"5m"`, `"1h30m"`) as seconds; `undefined` when it is none. */
export function parseTimeout(text: unknown): number | undefined {
  if (typeof text !== "string" || !/^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/.test(text)) return undefined;
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)];
  const seconds = parts.reduce((sum, [, count, unit = ""]) => sum + Number(count) * (UNITS[unit] ?? Number.NaN), 0);
  return seconds > 0 ? seconds : undefined;
}

/** The resource, as an error names it: `VM "web"`. */
function nameOf({ kind, name }: Call): string {
  return name === "" ? `a ${kind}` : `${kind} "${name}"`;
}

/** How long work may still clean up behind itself after its signal fired, before the call is answered without it. */
const CLEAN_UP_MS = 30_000;

/**
 * Runs one call under a deadline. Pulumi never cancels or times out a call of a dynamic resource: without this one that
 * hangs would hang `pulumi up`.
 *
 * @param ended Fires when the work must end for another reason; its reason is the error.
 * @throws {MayflyError} `TIMEOUT`, with what the work itself had to say as evidence.
 */
export async function withDeadline<T>(
  call: Call,
  seconds: number,
  ended: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
  cleanUpMs = CLEAN_UP_MS,
): Promise<T> {
  const deadline = new AbortController();
  const timer = setTimeout(() => {
    deadline.abort(timeoutError(call, seconds));
  }, timerMs(seconds));
  const signal = AbortSignal.any([ended, deadline.signal]);
  const answered = new AbortController();
  try {
    return await Promise.race([work(signal), afterAbort(signal, cleanUpMs, answered.signal)]);
  } catch (error) {
    throw signal.aborted ? explain(signal.reason, error) : error;
  } finally {
    answered.abort();
    clearTimeout(timer);
  }
}

function timeoutError(call: Call, seconds: number): MayflyError {
  const minutes = String(Math.max(2, Math.ceil((seconds * 2) / 60)));
  const longer = `if it only needs longer, give the resource the option customTimeouts: { ${call.verb}: "${minutes}m" }`;
  return new MayflyError("TIMEOUT", `${call.verb} of ${nameOf(call)} was not done within ${String(seconds)} s`, {
    remedy: call.verb === "diff" || call.verb === "check" ? "see whether this host still answers: `podman ps`" : longer,
  });
}

/** Rejects when the signal has fired and the time to clean up is over too. */
async function afterAbort(signal: AbortSignal, cleanUpMs: number, answered: AbortSignal): Promise<never> {
  if (!signal.aborted) await once(signal, "abort", { signal: answered });
  await sleep(cleanUpMs, undefined, { ref: false });
  throw signal.reason;
}

/** Joins why the work had to end with what it says itself; the latter is often the real cause (last console lines). */
function explain(reason: unknown, error: unknown): unknown {
  if (!(reason instanceof MayflyError) || !(error instanceof Error)) return reason;
  const own = error instanceof IncompleteError ? error.cause : error;
  const isEcho = own === reason || !(own instanceof Error) || own.name === "AbortError";
  const isToldAlready = own instanceof MayflyError && own.cause === reason; // and more: see host/clean-up.ts
  const joined = isEcho ? reason : isToldAlready ? own : withEvidence(reason, own);
  return error instanceof IncompleteError ? new IncompleteError(error.state, joined) : joined;
}

function withEvidence({ code, message, remedy }: MayflyError, cause: Error): MayflyError {
  const [summary = message] = message.split("\n");
  return new MayflyError(code, summary, { evidence: withoutPointer(cause.message), remedy, cause });
}
