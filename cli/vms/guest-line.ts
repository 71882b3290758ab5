import { quote } from "../../provider/host/shell";

/**
 * Runs one program, and ends as a shell does: with 137 where the program was killed. Else ssh(1) would end with 255, as
 * where the connection breaks, since sshd tells of a signal otherwise than of an exit code.
 */
const reporting = (program: string) => `trap : INT QUIT; (exec ${program}); exit "$?"`;

const THESE = reporting('"$@"');
const BY_SHELL = reporting('"${SHELL:-/bin/sh}" -c "$1"');

/** A line for the guest's shell, whichever that is, that runs exactly these words. Pure. */
export function renderWords(words: readonly string[], directory?: string): string {
  const command = runBySh(THESE, words);
  return directory === undefined ? command : `cd ${quote(directory)} && ${command}`;
}

/** A line for the guest's shell that has that very shell run another one. Pure. */
export function renderShellLine(line: string): string {
  return runBySh(BY_SHELL, [line]);
}

function runBySh(script: string, words: readonly string[]): string {
  return `exec ${["sh", "-c", script, "sh", ...words].map(quote).join(" ")}`;
}
