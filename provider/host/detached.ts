import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { identifyProcess, type ProcessIdentity } from "./process-identity";

/**
 * Starts a program that outlives us, its output in `log`. The caller has a record on disk that says so, and adds the
 * returned identity to it.
 *
 * @throws {Error} When the program cannot be started or ends at once.
 */
export async function startDetached(file: string, args: readonly string[], log: string): Promise<ProcessIdentity> {
  const out = openSync(log, "a", 0o600);
  try {
    // Detached: Pulumi interrupts our whole process group at its end. No pipe of ours: it waits for our stdout to close.
    const child = spawn(file, args, { detached: true, stdio: ["ignore", out, out] });
    await once(child, "spawn"); // rejects on "error", for example ENOENT
    child.unref();
    const identity = child.pid === undefined ? undefined : identifyProcess(child.pid);
    if (identity === undefined) throw new Error(`${file} ended at once; see ${log}`);
    return identity;
  } finally {
    closeSync(out);
  }
}
