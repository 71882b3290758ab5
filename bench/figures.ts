/** What one measurement has found, and what it is to be. */
export interface Figure {
  /** What was measured. */
  readonly what: string;
  readonly value: string;
  /** The value that is aimed at; absent where there is none. */
  readonly aim?: string;
  /** Whether it is reached. */
  readonly reached?: boolean;
}

/**
 * The middle of some numbers: on a machine with two cores a mean tells of what else ran. What is no number does not count;
 * NaN where nothing does.
 */
export function median(values: readonly number[]): number {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low = NaN, high = NaN] = [sorted[sorted.length % 2 === 0 ? middle - 1 : middle], sorted[middle]];
  return (low + high) / 2;
}

/** Does the same several times, one after the other. */
export async function series<T>(count: number, work: (index: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (let index = 0; index < count; index += 1) results.push(await work(index));
  return results;
}

/** Runs work and tells how long it took, in seconds. */
export async function timed<T>(work: () => Promise<T>): Promise<{ seconds: number; result: T }> {
  const begun = performance.now();
  const result = await work();
  return { seconds: (performance.now() - begun) / 1_000, result };
}

/** Seconds for a table. */
export function seconds(value: number): string {
  return `${value.toFixed(2)} s`;
}

/** A figure that must not be above a limit. */
export function atMost(what: string, value: number, limit: number, unit: Unit = "s"): Figure {
  return { what, value: show(value, unit), aim: `at most ${show(limit, unit)}`, reached: value <= limit };
}

/** A figure that must not be below one. */
export function atLeast(what: string, value: number, limit: number, unit: Unit): Figure {
  return { what, value: show(value, unit), aim: `at least ${show(limit, unit)}`, reached: value >= limit };
}

type Unit = "s" | "%" | "MiB" | "×";

function show(number: number, unit: Unit): string {
  return `${number.toFixed(unit === "s" || unit === "×" ? 2 : 1)} ${unit}`;
}

/** A table in Markdown. */
export function table(figures: readonly Figure[]): string {
  const rows = figures.map(({ what, value, aim = "", reached }) => {
    const verdict = reached === undefined ? "" : reached ? "yes" : "**no**";
    return `| ${what} | ${value} | ${aim} | ${verdict} |`;
  });
  return ["| what | measured | aim | reached |", "| --- | --- | --- | --- |", ...rows].join("\n");
}
