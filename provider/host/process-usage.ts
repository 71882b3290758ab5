import { readFileSync } from "node:fs";

/** What a process does, at one moment. */
export interface ProcessUsage {
  /** One letter of proc(5), `/proc/PID/stat`: `R` runs, `S` waits, `T` is stopped… */
  readonly state: string;
  /** CPU time that it has had so far, all threads together. */
  readonly cpuSeconds: number;
  /** The moment, in seconds of a clock that only goes on. */
  readonly at: number;
}

const TICKS_PER_SECOND = 100; // USER_HZ, which Linux promises to programs whatever its own clock is

/** Looks at a process; `undefined` when it is gone. */
export function usageOf(pid: number): ProcessUsage | undefined {
  try {
    const stat = readFileSync(`/proc/${String(pid)}/stat`, "utf8");
    const at = performance.now() / 1_000;
    const [state = "?", ...fields] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [user, system] = [Number(fields[10]), Number(fields[11])]; // fields 14 and 15 of proc(5)
    return { state, cpuSeconds: (user + system) / TICKS_PER_SECOND, at };
  } catch {
    return undefined;
  }
}
