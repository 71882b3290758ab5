import { spawn } from "node:child_process";
import { setPriority } from "node:os";
import { holdSignals } from "../terminal/signals.mjs";

const GRACE_MS = 15_000; // for jest's own clean-up, and that of the tests

/**
 * Runs a program and all that it starts as one group, so that nothing of it outlives a deadline, a Ctrl-C or the terminal.
 *
 * @param {string} file The program.
 * @param {readonly string[]} args Its arguments.
 * @param {{ env: import("../terminal/programs.mjs").Environment, cwd: string, deadlineMs: number, niceness?: number }}
 *   options Where it runs, how long at most, and how far behind others: nice(1).
 * @returns {Promise<{ code: number, isLate: boolean }>} Its exit code, and whether the deadline ended it.
 */
export async function runGroup(file, args, { env, cwd, deadlineMs, niceness = 0 }) {
  const child = spawn(file, args, { env, cwd, detached: true, stdio: ["ignore", "inherit", "inherit"] });
  if (child.pid !== undefined && niceness > 0) setPriority(child.pid, niceness); // what it starts inherits that
  let isLate = false;
  /** @type {NodeJS.Timeout | undefined} */
  let killer;
  const end = () => {
    signalGroup(child.pid, "SIGTERM");
    killer ??= setTimeout(() => signalGroup(child.pid, "SIGKILL"), GRACE_MS);
  };
  const deadline = setTimeout(() => {
    isLate = true;
    end();
  }, deadlineMs);
  /** @type {Promise<number>} */
  const ended = new Promise((resolve) => {
    child.once("error", () => resolve(127)).once("exit", (status) => resolve(status ?? 1));
  });
  try {
    const code = await holdSignals(ended, end);
    return { code, isLate };
  } finally {
    clearTimeout(deadline);
    clearTimeout(killer);
    signalGroup(child.pid, "SIGKILL"); // what it has left behind
  }
}

/**
 * @param {number | undefined} group A process group, which may be gone.
 * @param {NodeJS.Signals} signal What to send.
 */
function signalGroup(group, signal) {
  try {
    if (group !== undefined) process.kill(-group, signal);
  } catch {
    // nothing of it is left
  }
}
