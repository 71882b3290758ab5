import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import type { Socket } from "node:net";
import { lastingEnvironment } from "./environment";
import { tellOfProgram } from "./programs-run";
import { identifyProcess, type ProcessIdentity } from "./process-identity";

/** Of a program that outlives us: no folder of the user's, which may go before it, or be on a disk that is unmounted. */
const inOwnPlace = () => ({ cwd: "/", env: lastingEnvironment() });

/**
 * Starts a program that outlives us, its output in `log`, in no folder of ours. The caller has a record on disk that says so, and adds the
 * returned identity to it.
 *
 * @param errorLog What it says on standard error, where that is not to be in `log`.
 * @throws {Error} When the program cannot be started or ends at once.
 */
export async function startDetached(
  file: string,
  args: readonly string[],
  log: string,
  errorLog = log,
): Promise<ProcessIdentity> {
  tellOfProgram(file, args);
  const out = openSync(log, "a", 0o600);
  let errors = out;
  try {
    if (errorLog !== log) errors = openSync(errorLog, "a", 0o600);
    // Detached: Pulumi interrupts our whole process group at its end. No pipe of ours: it waits for our stdout to close.
    const child = spawn(file, args, { ...inOwnPlace(), detached: true, stdio: ["ignore", out, errors] });
    await once(child, "spawn"); // rejects on "error", for example ENOENT
    child.unref();
    const identity = child.pid === undefined ? undefined : identifyProcess(child.pid);
    if (identity === undefined) throw new Error(`${file} ended at once; see ${errorLog}`);
    return identity;
  } finally {
    for (const descriptor of new Set([out, errors])) closeSync(descriptor);
  }
}

/** A program that learns of our end, however we end: the kernel closes the pipe that we alone hold. */
export interface Lifeline extends Disposable {
  readonly process: ProcessIdentity;
}

/**
 * Starts a program that outlives us and has, as descriptor 3, the other end of a pipe of ours. It reads the pipe's end
 * when we are gone: by an exit, a signal, or SIGKILL. No handler of ours has to run for that.
 *
 * @throws {Error} When the program cannot be started or ends at once.
 */
export async function startLifeline(file: string, args: readonly string[], log: string): Promise<Lifeline> {
  tellOfProgram(file, args);
  const out = openSync(log, "a", 0o600);
  try {
    const child = spawn(file, args, { ...inOwnPlace(), detached: true, stdio: ["ignore", out, out, "pipe"] });
    await once(child, "spawn");
    const pipe = child.stdio[3] as Socket; // close-on-exec: none of the programs that we start holds it too
    pipe.on("error", () => undefined); // the keeper ended before us: there is nobody to tell
    pipe.unref();
    child.unref();
    const identity = child.pid === undefined ? undefined : identifyProcess(child.pid);
    if (identity === undefined) throw new Error(`${file} ended at once; see ${log}`);
    return { process: identity, [Symbol.dispose]: () => pipe.destroy() };
  } finally {
    closeSync(out);
  }
}
