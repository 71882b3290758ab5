import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { quote } from "../../provider/host/shell";
import type { Session } from "../rooms";
import { BROKEN, pointToDiagnosis, runSsh, type SshCall } from "./openssh";

const PAUSE_MS = 1_000; // a guest that reboots takes seconds

/** How a journal is printed. */
interface JournalPrint {
  readonly follow: boolean;
  readonly json: boolean;
  /** The entry after which to begin, as {@link cursorIn} has it; all where the guest's journal does not know it any more. */
  readonly after?: string | undefined;
}

/**
 * Prints the journal of a machine's guest, by the guest's own journalctl. Who follows it does so over reboots, until the
 * machine is gone. As JSON each entry comes once, in a line of its own, also where the connection breaks. Returns an exit code.
 */
export async function printJournal(
  id: string,
  { follow, json, after }: JournalPrint,
  session: Session,
): Promise<number> {
  const command = ["journalctl --no-pager --quiet", ...(json ? ["--output=json"] : [])].join(" ");
  if (follow) return followJournal(id, { command: `${command} --follow --lines=all`, json, after }, session);
  const code = await runSsh(id, { ...callOf(command), onBroken: pointToDiagnosis(id) }, session);
  session.signal.throwIfAborted();
  return code;
}

/** Without our input: what is typed meanwhile is not for the guest. */
function callOf(command: string): SshCall {
  return { before: ["-n", "-T"], after: ["--", command] };
}

async function followJournal(
  id: string,
  { command, json, after }: Omit<JournalPrint, "follow"> & { readonly command: string },
  session: Session,
): Promise<number> {
  const { machines, signal } = session;
  const qemuNow = async () => (await machines.record(id))?.qemu;
  const qemu = await qemuNow();
  // One that was stopped and started meanwhile is another's to follow, who begins with its boot.
  const isStillThere = async () => (await machines.isAlive(id)) && isDeepStrictEqual(await qemuNow(), qemu);
  let cursor = after;
  const onLine = (line: string) => {
    if (!line.endsWith("}")) return; // the connection broke within it: it comes again
    cursor = cursorIn(line) ?? cursor;
    process.stdout.write(`${line}\n`);
  };
  for (let since = ""; ; since = " --boot") {
    const onwards = cursor === undefined ? `${command}${since}` : behind(cursor, command);
    const code = await runSsh(id, { ...callOf(onwards), onLine: json ? onLine : undefined }, session);
    signal.throwIfAborted();
    if (!(await isStillThere())) return 0;
    if (code !== BROKEN) return code;
    await sleep(PAUSE_MS, undefined, { signal });
  }
}

/** Which entry of a journal a line of JSON is. Pure. */
export function cursorIn(line: string): string | undefined {
  return /"__CURSOR" ?: ?"((?:[a-z]=[0-9a-f]+;?)+)"/.exec(line)?.[1]; // a quote within a text has a backslash before it
}

/**
 * What a command prints behind an entry: of the boot that this is of; of a later boot all, as there journalctl, which knows
 * of that boot alone when it follows, would leave out the first entry.
 */
function behind(cursor: string, command: string): string {
  const [, boot = ""] = /(?:^|;)b=(\w+)/.exec(cursor) ?? [];
  const script =
    `if [ "$(tr -d - </proc/sys/kernel/random/boot_id)" = '${boot}' ]; then set -- --after-cursor=${quote(cursor)}; fi; ` +
    `exec ${command} --boot "$@"`;
  return `exec sh -c ${quote(script)}`;
}
