import type { Guest } from "./guests";
import type { Refused } from "./refusals";
import { CHECKS, type Outcome } from "./trial";

/** How one guest has done: what was seen of it, or why it did not boot. */
export interface Tried {
  readonly guest: Guest;
  readonly result: Outcome | Error;
}

/** A refusal is quick, and leaves nothing. */
const REFUSAL_SECONDS = 10;

/** Whether all that was tried of it went well. */
export function isGood({ result }: Tried): boolean {
  return !(result instanceof Error) && CHECKS.every((check) => "seconds" in result.checks[check]);
}

/** Whether something was refused as it should be: with its remedy, soon, and without a trace. */
export function isRefusedWell({ seconds, message, left }: Refused): boolean {
  return seconds < REFUSAL_SECONDS && message.includes("\nTo fix: ") && left.length === 0;
}

/** One row for each guest, in Markdown. */
export function guestTable(rows: readonly (readonly string[])[]): string {
  return markdown(["image", "init", "kernel", "SSH server", "boot", ...CHECKS], rows);
}

/** The rows that a text has of the guests' table, by their first cell. */
export function guestRowsIn(text: string): ReadonlyMap<string, readonly string[]> {
  const rows = text.split("\n").map((line) => line.split(/(?<!\\)\|/).slice(1, -1));
  const isGuests = (cells: readonly string[]) => cells.length === 5 + CHECKS.length;
  const plain = rows.filter(isGuests).map((cells) => cells.map((cell) => cell.trim().replaceAll("\\|", "|")));
  return new Map(plain.map((cells) => [cells[0] ?? "", cells]));
}

/** The cells of one guest's row. */
export function guestRow({ guest: { what }, result }: Tried): string[] {
  if (result instanceof Error) return [what, "", "", "", `**no**: ${firstLine(result.message)}`];
  const cells = CHECKS.map((check) => {
    const found = result.checks[check];
    return "problem" in found ? `**no**: ${firstLine(found.problem)}` : duration(found.seconds);
  });
  return [what, result.init, result.kernel, result.server, duration(result.bootSeconds), ...cells];
}

/** One row for each refusal, in Markdown. */
export function refusalTable(refused: readonly Refused[]): string {
  const rows = refused.map((one) => {
    const lines = one.message.split("\n");
    const remedy = lines.find((line) => line.startsWith("To fix: "))?.slice("To fix: ".length) ?? "**none**";
    const evidence = lines.slice(1).filter((line) => !/^(?:To fix|More on this): /.test(line));
    const left = one.left.length === 0 ? "nothing" : `**${one.left.join(", ")}**`;
    return [one.what, firstLine(one.message), evidence.at(-1) ?? "", remedy, duration(one.seconds), left];
  });
  return markdown(["what", "said", "seen", "to fix", "after", "left behind"], rows);
}

function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

function duration(seconds: number): string {
  return `${seconds.toFixed(1)} s`;
}

function firstLine(text: string): string {
  return text.split("\n")[0] ?? "";
}
