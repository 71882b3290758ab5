let isHeld = false;

/**
 * Writes a line into the log of a process that outlives whoever started it, which is its standard output: with the time
 * before it. On a full disk the line is lost, and not the process, on which others depend.
 */
export function tellOwnLog(text: string): void {
  if (!isHeld) process.stdout.on("error", () => undefined); // told by nobody, it would end the process
  isHeld = true;
  process.stdout.write(`${new Date().toISOString()} ${text}\n`);
}
