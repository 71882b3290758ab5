import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { constants } from "node:os";
import { tellOfProgram } from "./programs-run";
import { toolMissing } from "./tool-error";

type Ending = [code: number | null, killedBy: NodeJS.Signals | null];

const DIED_OF_SIGNAL = 128; // as shells count

/**
 * Runs a program that has our terminal: its input, output and errors are ours. A stop signal of the terminal reaches it
 * by itself, as it is in our process group.
 *
 * @param signal On abort the program gets SIGTERM.
 * @param onErrorLine Gets what it says on standard error, line by line, instead of the terminal.
 * @returns Its exit code; 128 and the signal's number where it died of one.
 * @throws {MayflyError} `TOOL_MISSING`.
 */
export async function runAttached(
  file: string,
  args: readonly string[],
  signal: AbortSignal,
  onErrorLine?: (line: string) => void,
): Promise<number> {
  signal.throwIfAborted();
  tellOfProgram(file, args);
  const child = spawn(file, args, { stdio: ["inherit", "inherit", onErrorLine === undefined ? "inherit" : "pipe"] });
  if (onErrorLine !== undefined && child.stderr !== null)
    createInterface({ input: child.stderr }).on("line", onErrorLine);
  const end = () => child.kill("SIGTERM");
  signal.addEventListener("abort", end, { once: true });
  try {
    const [code, killedBy] = (await once(child, onErrorLine === undefined ? "exit" : "close")) as Ending;
    return code ?? DIED_OF_SIGNAL + (killedBy === null ? 0 : constants.signals[killedBy]);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") throw toolMissing(file);
    throw error;
  } finally {
    signal.removeEventListener("abort", end);
  }
}
