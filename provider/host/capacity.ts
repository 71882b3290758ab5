import { readFileSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { totalmem } from "node:os";

const MIB = 1_048_576;

/** Memory of this host, in MiB. */
export function hostMemoryMiB(): number {
  return Math.floor(totalmem() / MIB);
}

/** Memory that programs can get without making the host swap, in MiB: proc(5), `MemAvailable`. */
export function availableMemoryMiB(): number {
  const [, kib = "0"] = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync("/proc/meminfo", "utf8")) ?? [];
  return Math.floor(Number(kib) / 1_024);
}

/** Space of the filesystem that holds a folder, in MiB. */
export async function diskSpace(folder: string): Promise<{ readonly freeMiB: number; readonly totalMiB: number }> {
  const { bavail, blocks, bsize } = await statfs(folder);
  return { freeMiB: Math.floor((bavail * bsize) / MIB), totalMiB: Math.floor((blocks * bsize) / MIB) };
}
