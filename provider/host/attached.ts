import { spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import type { Readable } from "node:stream";
import { tellOfProgram } from "./programs-run";
import { toolMissing } from "./tool-error";

type Ending = [code: number | null, killedBy: NodeJS.Signals | null];

const DIED_OF_SIGNAL = 128; // as shells count

/** Who gets what a program says. */
interface Hearing {
  readonly onLine?: ((line: string) => void) | undefined;
  readonly onErrorLine?: ((line: string) => void) | undefined;
}

/**
 * Runs a program that has our terminal: its input, output and errors are ours. A stop signal of the terminal reaches it
 * by itself, as it is in our process group.
 *
 * @param signal On abort the program gets SIGTERM.
 * @param hear Who gets what it says, line by line, instead of the terminal.
 * @returns Its exit code; 128 and the signal's number where it died of one.
 * @throws {MayflyError} `TOOL_MISSING`.
 */
export async function runAttached(
  file: string,
  args: readonly string[],
  signal: AbortSignal,
  hear: Hearing = {},
): Promise<number> {
  signal.throwIfAborted();
  tellOfProgram(file, args);
  const { onLine, onErrorLine } = hear;
  const to = (listener: Hearing[keyof Hearing]) => (listener === undefined ? "inherit" : "pipe");
  const child = spawn(file, args, { stdio: ["inherit", to(onLine), to(onErrorLine)] });
  listen(child.stdout, onLine);
  listen(child.stderr, onErrorLine);
  const end = () => child.kill("SIGTERM");
  signal.addEventListener("abort", end, { once: true });
  try {
    const [code, killedBy] = (await once(child, "close")) as Ending;
    return code ?? DIED_OF_SIGNAL + (killedBy === null ? 0 : constants.signals[killedBy]);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") throw toolMissing(file);
    throw error;
  } finally {
    signal.removeEventListener("abort", end);
  }
}

function listen(stream: Readable | null, onLine: Hearing["onLine"]): void {
  if (stream === null || onLine === undefined) return;
  let rest = "";
  stream.setEncoding("utf8").on("data", (text: string) => {
    const lines = (rest + text).split("\n"); // not Node's readline, to which U+2028 ends a line: it may be in one's text
    rest = lines.pop() ?? "";
    lines.forEach(onLine);
  });
  stream.on("end", () => {
    if (rest !== "") onLine(rest);
  });
}
