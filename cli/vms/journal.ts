import { setTimeout as sleep } from "node:timers/promises";
import type { Session } from "../rooms";
import { BROKEN, pointToDiagnosis, runSsh } from "./openssh";

const PAUSE_MS = 1_000; // a guest that reboots takes seconds

/**
 * Prints the journal of a machine's guest, by the guest's own journalctl. Who follows it does so over reboots, until the
 * machine is gone. Returns an exit code.
 */
export async function printJournal(
  id: string,
  { follow, json }: { readonly follow: boolean; readonly json: boolean },
  session: Session,
): Promise<number> {
  const { machines, signal } = session;
  const command = ["journalctl --no-pager --quiet", ...(json ? ["--output=json"] : [])].join(" ");
  for (let boots = 0; ; boots += 1) {
    const since = boots === 0 ? "" : " --boot";
    const after = ["--", `${command}${follow ? ` --follow --lines=all${since}` : ""}`];
    const onBroken = follow ? undefined : pointToDiagnosis(id); // who follows tries again
    const code = await runSsh(id, { before: ["-T"], after, onBroken }, session);
    signal.throwIfAborted();
    if (!follow) return code;
    if (!(await machines.isAlive(id))) return 0;
    if (code !== BROKEN) return code;
    await sleep(PAUSE_MS, undefined, { signal });
  }
}
