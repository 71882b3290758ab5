import { readdirSync, readFileSync } from "node:fs";

/** Ids of all processes but this one. */
export function processIds(): number[] {
  const ids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return ids.map(Number).filter((pid) => pid !== process.pid);
}

/** A file of a process: see proc(5). Nothing where that has ended, or is another user's. */
export function readProcess(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${String(pid)}/${name}`, "utf8");
  } catch {
    return "";
  }
}

/** Of a process: what has been left to init by its parents' end is not among them. */
export function childrenOf(pid: number): number[] {
  return readProcess(pid, `task/${String(pid)}/children`)
    .split(" ")
    .filter(Boolean)
    .map(Number);
}
