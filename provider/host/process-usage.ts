import { readFileSync } from "node:fs";

/** What a process does at one moment, and what it has used so far. */
export interface ProcessUsage {
  /** One letter of proc(5), `/proc/PID/stat`: `R` runs, `S` waits, `T` is stopped… */
  readonly state: string;
  /** Seconds of CPU time, of all its threads. */
  readonly cpuSeconds: number;
  /** Seconds since it began. */
  readonly ageSeconds: number;
  /** Memory that would be free without it: not the files that it maps and others may, too. */
  readonly memoryBytes: number;
  /** Bytes that disks have read for it; absent where we may not ask. */
  readonly readBytes: number | undefined;
  /** Bytes that disks have written, or will have to. */
  readonly writtenBytes: number | undefined;
}

const TICKS = 100; // sysconf(_SC_CLK_TCK): the same on all of Linux's architectures that we serve
const KIB = 1_024;

/** Asks the kernel what a process uses; `undefined` when it is gone. See proc(5). */
export function processUsage(pid: number): ProcessUsage | undefined {
  const [stat, status, uptime] = [read(pid, "stat"), read(pid, "status"), readFileSync("/proc/uptime", "utf8")];
  if (stat === undefined || status === undefined) return undefined;
  // The second field is the program's name in parentheses and may itself hold spaces and parentheses.
  const [state = "?", ...numbers] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const fields = numbers.map(Number);
  const [user = 0, system = 0, start = 0] = [fields[10], fields[11], fields[18]];
  const io = read(pid, "io") ?? "";
  return {
    state,
    cpuSeconds: (user + system) / TICKS,
    ageSeconds: Number.parseFloat(uptime) - start / TICKS,
    memoryBytes: ((field(status, "RssAnon") ?? 0) + (field(status, "RssShmem") ?? 0)) * KIB,
    readBytes: field(io, "read_bytes"),
    writtenBytes: field(io, "write_bytes"),
  };
}

function read(pid: number, name: string): string | undefined {
  try {
    return readFileSync(`/proc/${String(pid)}/${name}`, "utf8");
  } catch {
    return undefined; // it is gone, or not ours to look at
  }
}

function field(text: string, name: string): number | undefined {
  const [, value] = new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text) ?? [];
  return value === undefined ? undefined : Number(value);
}
