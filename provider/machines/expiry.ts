import { join } from "node:path";
import { startDetached } from "../host/detached";
import { signalProcess, type ProcessIdentity } from "../host/process-identity";
import type { Shelf } from "./shelf";

/** The script that ends a machine whose time is over. */
const SCRIPT = join(__dirname, "..", "expire.js");

/**
 * `$1` how many seconds, then Node, {@link SCRIPT} and the machine's id. A signal to the shell alone, be it SIGKILL, would
 * leave its `sleep` behind, for hours. Where Mayfly itself is gone by then, with the checkout of a CI job, say, podman ends
 * what runs; the files are removed by whatever Mayfly comes next.
 */
const WAIT = `
setpriv --pdeathsig KILL sleep "$1" & trap "kill $!; exit" TERM
wait $! || exit
shift
[ ! -x "$1" ] || [ ! -e "$2" ] || exec "$@"
podman ps --all --quiet --filter "label=mayfly=$3" | xargs -r podman rm --force --time 0
`;

/**
 * Starts the process that ends a machine at its time: a `sleep`, then the very removal that `destroy` does. It dies with
 * the host, as the machine does; should it be killed, the next run finds the time on the machine's record.
 */
async function startExpiry(id: string, seconds: number, log: string): Promise<ProcessIdentity> {
  return startDetached("/bin/sh", ["-c", WAIT, "mayfly-expiry", String(seconds), process.execPath, SCRIPT, id], log);
}

/** Begins a machine's lifetime, of that many seconds: puts its end on record, and starts the process that sees to it. */
export async function startLifetime(shelf: Shelf, id: string, seconds: number): Promise<void> {
  await shelf.change(id, { expiresAt: Math.floor(Date.now() / 1_000) + seconds }, "for good");
  await shelf.change(id, { expiry: await startExpiry(id, seconds, shelf.file(id, "expiry.log")) });
}

/** Ends that process. */
export function stopExpiry(process: ProcessIdentity): void {
  signalProcess(process, "SIGTERM");
}
