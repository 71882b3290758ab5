import type { Stats } from "node:fs";
import { open, stat } from "node:fs/promises";
import { resolve } from "node:path";
import type { VMSpec } from "../schema/vm";
import type { InputFailure } from "./resource";

type Disk = VMSpec["disks"][number];

/** What would keep qemu from opening a disk's file, or the guest from finding what it expects in it. */
export async function checkDisk(disk: Disk, index: number): Promise<InputFailure[]> {
  const path = resolve(disk.source);
  const property = `disks[${String(index)}]`;
  const wrongFile = fileProblem(disk, path, await stat(path).catch(() => undefined));
  if (wrongFile !== undefined) return [{ property: `${property}.source`, reason: wrongFile }];
  const header = await readStart(path);
  const isQcow2 = header.length === HEADER_BYTES && header.readUInt32BE(0) === QCOW2_MAGIC;
  if (isQcow2 !== (disk.format === "qcow2")) {
    const reason = isQcow2 ? `must be "qcow2": ${path} is one` : `can't be "qcow2": ${path} is none`;
    return [{ property: `${property}.format`, reason }];
  }
  if (!isQcow2 || header.readBigUInt64BE(BACKING_FILE) === 0n) return [];
  const reason = `must not have a backing file; make a whole one: qemu-img convert -O qcow2 ${path} NEW`;
  return [{ property: `${property}.source`, reason }];
}

function fileProblem({ readOnly }: Disk, path: string, seen: Stats | undefined): string | undefined {
  if (seen?.isFile() !== true)
    return `must be a file on this host; ${path} ${seen ? "is something else" : "does not exist"}`;
  const rights = readOnly ? 0o4 : 0o6;
  if (seen.uid === process.getuid?.() || (seen.mode & rights) === rights) return undefined;
  return `must belong to you, as qemu may do no more than its owner; chown ${path}`;
}

// How a qcow2 file begins; see QEMU's docs/interop/qcow2.txt.
const QCOW2_MAGIC = 0x514649fb; // QFI\xfb
const BACKING_FILE = 8; // where the place of its name is; 0 for none
const HEADER_BYTES = 16;

async function readStart(path: string): Promise<Buffer> {
  const file = await open(path, "r");
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEADER_BYTES), 0, HEADER_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
