import { countFailedLogins, loginIn, type FailedLogins, type ServerLogLine } from "../../provider/ssh/server-log";
import { note, print } from "../output";
import type { Session } from "../rooms";
import { eachLogLine, type IsOver } from "./follow";
import { eachServerLine } from "./server-log";

const PATIENCE_SECONDS = 60;
const MOST_SHOWN = 5;

/**
 * Prints the SSH sessions on a machine, one JSON object a line: those that Mayfly itself has written down, marked
 * `mayfly`, and what the guest's sshd says, marked `guest`. In the order of their times; with `follow` as they come.
 */
export async function printSessions(
  id: string,
  { follow, isOver }: { readonly follow: boolean; readonly isOver: IsOver },
  session: Session,
): Promise<void> {
  const file = session.machines.file(id, "sessions.jsonl");
  const isAlive = await session.machines.isAlive(id);
  if (follow) {
    const over = new AbortController();
    const signal = AbortSignal.any([session.signal, over.signal]);
    const ours = eachLogLine(file, isOver, session, (text) => {
      print(ownLine(text).text);
    });
    const theirs =
      isAlive &&
      tellServer(id, { follow, signal }, session, (line) => {
        print(guestLine(line).text);
      });
    const end = () => {
      over.abort();
    };
    await Promise.all([ours.finally(end), theirs]);
    return;
  }
  const lines: Line[] = [];
  const seen: ServerLogLine[] = [];
  const signal = AbortSignal.any([session.signal, AbortSignal.timeout(PATIENCE_SECONDS * 1_000)]);
  await eachLogLine(file, isOver, session, (text) => lines.push(ownLine(text)));
  if (isAlive) await tellServer(id, { follow, signal }, session, (line) => seen.push(line));
  for (const { text } of [...lines, ...seen.map(guestLine)].sort((one, other) => one.time - other.time)) print(text);
  tellFailed(countFailedLogins(seen));
}

/** A line, and when it was written: milliseconds since 1970. */
interface Line {
  readonly time: number;
  readonly text: string;
}

function ownLine(text: string): Line {
  try {
    const { time, ...rest } = JSON.parse(text) as { readonly time: string };
    return { time: Date.parse(time), text: JSON.stringify({ time, source: "mayfly", ...rest }) };
  } catch {
    return { time: 0, text }; // cut off by a full disk
  }
}

function guestLine({ time, pid, message }: ServerLogLine): Line {
  const { kind: event, user, address, key } = loginIn(message) ?? {};
  const what = { source: "guest", process: pid, event, user, address, key, message };
  return { time, text: JSON.stringify({ time: new Date(time).toISOString(), ...what }) };
}

/** The guest's part; where it can't be had, a word of why, as ours is there all the same. */
async function tellServer(
  id: string,
  how: { readonly follow: boolean; readonly signal: AbortSignal },
  session: Session,
  onLine: (line: ServerLogLine) => void,
): Promise<void> {
  try {
    await eachServerLine(id, how, session, onLine);
  } catch (error) {
    session.signal.throwIfAborted();
    if (how.follow && how.signal.aborted) return; // the machine is gone
    const [summary = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
    note(`not in it: what the guest's sshd has seen (${summary})`);
  }
}

function tellFailed(failed: readonly FailedLogins[]): void {
  if (failed.length === 0) return;
  const total = failed.reduce((sum, { count }) => sum + count, 0);
  const shown = failed
    .slice(0, MOST_SHOWN)
    .map(({ user, address, count }) => `${String(count)} of ${JSON.stringify(user)} from ${address}`);
  if (failed.length > MOST_SHOWN) shown.push("…");
  note(`${String(total)} failed ${total === 1 ? "login" : "logins"} since its boot: ${shown.join(", ")}`);
}
