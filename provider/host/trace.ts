import { appendFileSync } from "node:fs";

/**
 * Names the file that gets the times of all steps, one JSON object a line: the events of Chrome's trace format, which
 * `chrome://tracing` and Perfetto show once the lines are in an array. Unset: nothing is measured or written.
 */
const TRACE_VARIABLE = "MAYFLY_TRACE";

/** One step that has ended: a "complete event" of the trace format, times in microseconds. */
export interface TraceEvent {
  readonly name: string;
  readonly ph: "X";
  /** When it began, since 1970. */
  readonly ts: number;
  readonly dur: number;
  readonly pid: number;
  readonly tid: number;
}

/** Runs one step of a longer piece of work, and notes how long it took where somebody wants to know. */
export async function span<T>(name: string, work: () => Promise<T>): Promise<T> {
  const file = process.env[TRACE_VARIABLE];
  if (file === undefined) return work();
  const begun = performance.now();
  try {
    return await work();
  } finally {
    const [ts, dur] = [performance.timeOrigin + begun, performance.now() - begun].map((ms) => Math.round(ms * 1_000));
    const event: TraceEvent = { name, ph: "X", ts: ts ?? 0, dur: dur ?? 0, pid: process.pid, tid: 0 };
    appendFileSync(file, `${JSON.stringify(event)}\n`);
  }
}
