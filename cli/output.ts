/** Prints a result. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Tells a person how far a command is; never part of a result. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Prints rows as columns that are as wide as they need to be. */
export function printTable(header: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? "").length)),
  );
  for (const row of [header, ...rows])
    print(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    );
}

/** A number of bytes for a person. */
export function bytes(count: number): string {
  return `${String(Math.round(count / 1_048_576))} MiB`;
}

/** A time of the past for a person. */
export function ago(seconds: number): string {
  const age = Math.max(0, Date.now() / 1_000 - seconds);
  const [unit, length] = AGES.find(([, size]) => age >= size) ?? ["second", 1];
  const count = Math.floor(age / length);
  return `${String(count)} ${unit}${count === 1 ? "" : "s"} ago`;
}

const AGES: readonly (readonly [string, number])[] = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];
