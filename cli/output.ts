import { styleText } from "node:util";

/** Prints a result. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Prints a result for programs. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}

/** Tells a person something; never part of a result. */
export function note(text: string): void {
  clearProgress();
  process.stderr.write(`${text}\n`);
}

/** What ends the command's work when what it prints comes nowhere. */
let endWork = (): void => undefined;

/** Says how to end the command's work when what it prints comes nowhere. */
export function onNoOutput(end: () => void): void {
  endWork = end;
}

/**
 * Ends the command when what it prints comes nowhere: without a word when nobody reads on (`mayfly ls | head -1`), with
 * one where a disk is full.
 *
 * @param unread Exit code of the former.
 * @param failed Of the latter.
 */
export function endWithOutput({ unread, failed }: { readonly unread: number; readonly failed: number }): void {
  let isOver = false;
  const end = ({ code, message }: NodeJS.ErrnoException) => {
    if (isOver) return; // what is still printed while it cleans up
    isOver = true;
    const exitCode = code === "EPIPE" ? unread : failed;
    // Whatever the work says of its own end: it did not interrupt itself.
    process.once("exit", () => (process.exitCode = exitCode));
    if (code !== "EPIPE") note(`${colouredNote("red", "error:")} cannot print: ${message}`);
    endWork();
  };
  for (const stream of [process.stdout, process.stderr]) stream.on("error", end);
}

let isShown = false;
let lastLine = 0; // milliseconds since this process began

/** Without a terminal, how long a command may be silent: a job's log shows that it lives, and is not filled by it. */
const SILENT_MS = 10_000;

/**
 * Shows how far a command is, in one line that the next one takes the place of. Without a terminal in a line of its own,
 * now and then: {@link SILENT_MS}.
 */
export function showProgress(text: string): void {
  if (!process.stderr.isTTY) {
    const now = performance.now();
    if (now - lastLine < SILENT_MS) return;
    lastLine = now;
    process.stderr.write(`${text.trimEnd()}\n`);
    return;
  }
  const line = text.replaceAll(/\s+/g, " ").slice(0, Math.max(10, process.stderr.columns - 1));
  process.stderr.write(`\r\u001b[K${line}`);
  isShown = true;
}

/** Takes that line away. */
export function clearProgress(): void {
  if (isShown) process.stderr.write("\r\u001b[K");
  isShown = false;
}

/** A text in a colour, where standard output is a terminal that shows colours, and NO_COLOR is not set. */
export function coloured(colour: "green" | "red" | "yellow" | "dim" | "bold", text: string): string {
  return styleText(colour, text, { stream: process.stdout });
}

/** The same for standard error. */
export function colouredNote(colour: "red" | "yellow" | "dim", text: string): string {
  return styleText(colour, text, { stream: process.stderr });
}

const COLOURS = /\u001b\[[0-9;]*m/g;

/** Prints rows as columns that are as wide as they need to be. */
export function printTable(header: readonly string[], rows: readonly (readonly string[])[]): void {
  print(renderTable(header, rows));
}

/** The same as text, without the last newline. */
export function renderTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const width = (cell = "") => cell.replaceAll(COLOURS, "").length;
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => width(row[column]))));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cell + " ".repeat((widths[column] ?? 0) - width(cell)))
      .join("  ")
      .trimEnd();
  return [header, ...rows].map(line).join("\n");
}

/** A part of one, in hundredths, for a person. */
export function percent(count: number): string {
  return `${String(Math.round(count))}%`;
}

/** A number of bytes for a person. */
export function bytes(count: number): string {
  return count > 0 && count < 1_048_576
    ? `${String(Math.ceil(count / 1_024))} KiB`
    : `${String(Math.round(count / 1_048_576))} MiB`;
}

/** Memory for a person, as options take it. */
export function size(mib: number): string {
  return mib % 1_024 === 0 ? `${String(mib / 1_024)}GiB` : `${String(mib)}MiB`;
}

/** A time of the past for a person. */
export function ago(seconds: number): string {
  return `${span(Date.now() / 1_000 - seconds)} ago`;
}

/** A time to come for a person. */
export function ahead(seconds: number): string {
  return `in ${span(seconds - Date.now() / 1_000)}`;
}

function span(seconds: number): string {
  const length = Math.max(0, seconds);
  const [unit, size_] = AGES.find(([, least]) => length >= least) ?? ["second", 1];
  const count = Math.floor(length / size_);
  return `${String(count)} ${unit}${count === 1 ? "" : "s"}`;
}

const AGES: readonly (readonly [string, number])[] = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];
