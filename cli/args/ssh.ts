import { UsageError } from "../trouble";

/** Options of ssh(1) that take a value, which may be joined to them. */
const WITH_VALUE = new Set("BbcDEeFIiJLlmOopPQRSWw");

/** A line of ssh(1), cut where the destination is. */
export interface SshLine {
  /** Options before it. */
  readonly before: readonly string[];
  readonly destination: string | undefined;
  /** Options and the command after it, as they were written. */
  readonly after: readonly string[];
}

/**
 * Reads the line of `mayfly ssh` behind its own options.
 *
 * @throws {UsageError} For a long option before the command: it would look like one of ours that was heeded.
 */
export function readSshLine(words: readonly string[]): SshLine {
  const line = splitSshLine(words);
  const isLong = (word: string) => /^--./.test(word);
  const [stranger, late] = [line.before.find(isLong), splitSshLine(line.after).before.find(isLong)];
  if (stranger !== undefined)
    throw new UsageError(`${stranger}: is no option of mayfly ssh (--help lists them), and ssh(1) has no long ones`);
  if (late !== undefined)
    throw new UsageError(
      `${late}: options of mayfly ssh go before ${line.destination ?? "the name"} (--help lists them), and ssh(1) has no long ones`,
    );
  return line;
}

/** Finds the destination in a line as ssh(1) takes it: the first word that is neither an option nor its value. */
export function splitSshLine(words: readonly string[]): SshLine {
  let index = 0;
  while (index < words.length) {
    const word = words[index] ?? "";
    if (!word.startsWith("-") || word === "-" || word === "--") break;
    index += takesNext(word) ? 2 : 1;
  }
  const rest = words.slice(index);
  return { before: words.slice(0, index), destination: rest[0] === "--" ? undefined : rest[0], after: rest.slice(1) };
}

/** Whether a bundle of options (`-NL`) ends with one whose value is the next word. */
function takesNext(word: string): boolean {
  for (let index = 1; index < word.length; index += 1)
    if (WITH_VALUE.has(word.charAt(index))) return index === word.length - 1;
  return false;
}
