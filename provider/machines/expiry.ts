import { join } from "node:path";
import { startDetached } from "../host/detached";
import { signalProcess, type ProcessIdentity } from "../host/process-identity";

/** The script that ends a machine whose time is over. */
const SCRIPT = join(__dirname, "..", "expire.js");

/**
 * Starts the process that ends a machine at its time: a `sleep`, then the very removal that `destroy` does. It dies with
 * the host, as the machine does; should it be killed, the next run finds the time on the machine's record.
 */
export async function startExpiry(id: string, seconds: number, log: string): Promise<ProcessIdentity> {
  // A signal to the shell alone would leave its `sleep` behind, for hours.
  const text = `sleep "$1" & trap "kill $!; exit" TERM; wait $! && shift && exec "$@"`;
  return startDetached("/bin/sh", ["-c", text, "mayfly-expiry", String(seconds), process.execPath, SCRIPT, id], log);
}

/** Ends that process. */
export function stopExpiry(process: ProcessIdentity): void {
  signalProcess(process, "SIGTERM");
}
