import { readFileSync } from "node:fs";

/** Names one process for good: a process id alone is used again by the kernel. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks between the host's boot and the process's start: field 22 of proc(5) `/proc/PID/stat`. */
  readonly startTime: string;
  /** The boot of the host in which the process lives: `/proc/sys/kernel/random/boot_id`. */
  readonly bootId: string;
}

/** The host's current boot. Changes with every reboot. */
export function hostBootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

/** Identifies a living process; `undefined` when there is none with that id. Throws where we cannot look. */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  try {
    const stat = readFileSync(`/proc/${String(pid)}/stat`, "utf8");
    // The second field is the program's name in parentheses and may itself hold spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state, startTime] = [fields[0], fields[19]];
    if (startTime === undefined || state === "Z" || state === "X") return undefined;
    return { pid, startTime, bootId: hostBootId() };
  } catch (error) {
    // Who has no descriptor left to look with must not take the living for dead: their locks and machines would be taken.
    if (CANNOT_LOOK.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
    return undefined; // gone, or never was
  }
}

const CANNOT_LOOK = new Set(["EMFILE", "ENFILE", "ENOMEM"]);

/** Identifies this process. */
export function identifySelf(): ProcessIdentity {
  const self = identifyProcess(process.pid);
  if (self === undefined) throw new Error("this process is not in /proc: is it mounted?");
  return self;
}

/** Whether exactly this process still runs. */
export function isAlive(process: ProcessIdentity): boolean {
  const seen = identifyProcess(process.pid);
  return seen?.startTime === process.startTime && seen.bootId === process.bootId;
}

/** Sends a signal to exactly this process. Does nothing when it is gone. */
export function signalProcess(process: ProcessIdentity, signal: NodeJS.Signals): void {
  if (!isAlive(process)) return;
  try {
    globalThis.process.kill(process.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error; // it ended between the look and the call
  }
}
