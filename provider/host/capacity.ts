import { statfs } from "node:fs/promises";
import { totalmem } from "node:os";

const MIB = 1_048_576;

/** Memory of this host, in MiB. */
export function hostMemoryMiB(): number {
  return Math.floor(totalmem() / MIB);
}

/** Space of the filesystem that holds a folder, in MiB. */
export async function diskSpace(folder: string): Promise<{ readonly freeMiB: number; readonly totalMiB: number }> {
  const { bavail, blocks, bsize } = await statfs(folder);
  return { freeMiB: Math.floor((bavail * bsize) / MIB), totalMiB: Math.floor((blocks * bsize) / MIB) };
}
