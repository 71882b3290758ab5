import { readFileSync } from "node:fs";

/** The permission bits that this process takes away from what it makes. (Node's own look sets it for a moment.) */
function umask(): number {
  const [, digits = "22"] = /^Umask:\s*([0-7]+)$/m.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
  return Number.parseInt(digits, 8);
}

/**
 * The permission bits of something that another host has sent. Who may become somebody else by it, or write to it, is not
 * for that host to say.
 */
export function tamed(mode: number): number {
  return mode & 0o777 & ~umask();
}
