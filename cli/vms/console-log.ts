import type { Session } from "../rooms";
import { eachLogLine } from "./follow";

/** Which of the two wrote to the log of a machine's container: the guest on its console, or qemu. */
export type ConsoleStream = "stdout" | "stderr";

/** Writes what is in a machine's console log, or what qemu has said, as text. */
export async function printConsole(
  id: string,
  how: { readonly follow: boolean; readonly stream: ConsoleStream },
  session: Session,
  write: (text: string) => void,
): Promise<void> {
  const { consoleText } = await import("../../provider/machines/console.js");
  const isOfStream = new RegExp(`^\\S+ ${how.stream} `);
  await eachLogLine(session.machines.file(id, "console.log"), { follow: how.follow, id }, session, (line) => {
    if (isOfStream.test(line)) write(consoleText(line));
  });
}

/** The console from its beginning, until the machine is gone. */
export async function followConsole(id: string, session: Session, write: (text: string) => void): Promise<void> {
  await printConsole(id, { follow: true, stream: "stdout" }, session, write);
}
