import type { Session } from "../rooms";
import { eachLogLine, type IsOver } from "./follow";

/** Which of the two wrote to the log of a machine's container: the guest on its console, or qemu. */
export type ConsoleStream = "stdout" | "stderr";

/** One line of that log. */
export interface ConsoleLine {
  /** ISO 8601, with the host's time zone. */
  readonly time: string;
  /** Without terminal escapes; a line may come in parts, of which only the last ends with a newline. */
  readonly text: string;
}

/** Reads what is in a machine's console log, or what qemu has said. */
export async function eachConsoleLine(
  id: string,
  how: { readonly isOver: IsOver; readonly stream: ConsoleStream },
  session: Session,
  onLine: (line: ConsoleLine) => void,
): Promise<void> {
  const { consoleText } = await import("../../provider/machines/console.js");
  const isOfStream = new RegExp(`^\\S+ ${how.stream} `);
  await eachLogLine(session.machines.file(id, "console.log"), how.isOver, session, (line) => {
    if (isOfStream.test(line)) onLine({ time: line.slice(0, line.indexOf(" ")), text: consoleText(line) });
  });
}

/** The same by whole lines, without their ends: parts are put together, an unfinished line comes at the end. */
export async function eachWholeLine(
  id: string,
  how: { readonly isOver: IsOver; readonly stream: ConsoleStream },
  session: Session,
  onLine: (line: ConsoleLine) => void,
): Promise<void> {
  let begun: ConsoleLine | undefined;
  await eachConsoleLine(id, how, session, ({ time, text }) => {
    const line = { time: begun?.time ?? time, text: (begun?.text ?? "") + text };
    begun = text.endsWith("\n") ? undefined : line;
    if (begun === undefined) onLine({ ...line, text: line.text.slice(0, -1) });
  });
  if (begun !== undefined) onLine(begun);
}
