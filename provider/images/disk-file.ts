import { open, rm, stat } from "node:fs/promises";
import { MayflyError } from "../errors";
import { run } from "../host/run";
import { HEAD_BYTES } from "./partitions";

/** A file that holds a disk. */
export interface DiskFile {
  readonly format: "qcow2" | "raw";
  /** Size of the disk, which that of the file says nothing about. */
  readonly bytes: number;
  /** Its beginning: {@link HEAD_BYTES}, or all of a smaller one. */
  readonly head: Buffer;
}

/** What a file that is no disk begins with, and what to do with it. */
const OTHERS: readonly {
  readonly at?: number;
  readonly bytes: string;
  readonly what: string;
  readonly todo: string;
}[] = [
  { bytes: "KDMV", what: "a VMDK", todo: convert("vmdk") },
  { bytes: "# Disk DescriptorFile", what: "a VMDK's description", todo: convert("vmdk") },
  { bytes: "vhdxfile", what: "a VHDX", todo: convert("vhdx") },
  { bytes: "conectix", what: "a VHD", todo: convert("vpc") },
  { at: 64, bytes: "\x7f\x10\xda\xbe", what: "a VDI", todo: convert("vdi") },
  { bytes: "\x1f\x8b", what: "packed by gzip", todo: "unpack it: gunzip FILE" },
  { bytes: "\xfd7zXZ", what: "packed by xz", todo: "unpack it: unxz FILE" },
  { bytes: "\x28\xb5\x2f\xfd", what: "packed by zstd", todo: "unpack it: unzstd FILE" },
  { bytes: "BZh", what: "packed by bzip2", todo: "unpack it: bunzip2 FILE" },
  { bytes: "PK\x03\x04", what: "a zip archive", todo: "unpack it: unzip FILE" },
];

function convert(format: string): string {
  return `make a qcow2 of it: qemu-img convert -f ${format} -O qcow2 FILE FILE.qcow2`;
}

/**
 * Reads what a disk's file says of itself. Nothing that it may name, such as a disk below it, is opened.
 *
 * @param scratch Path of a file that may be made, and is gone afterwards.
 * @throws {MayflyError} `IMAGE_NOT_BOOTABLE` when it is none, is not whole, or needs another file; `TOOL_MISSING`.
 */
export async function readDiskFile(path: string, scratch: string, signal: AbortSignal): Promise<DiskFile> {
  const { size } = await stat(path);
  if (size === 0) throw noDisk(path, "the file is empty", "make or fetch it again");
  const head = await beginningOf(path);
  for (const { at = 0, bytes, what, todo } of OTHERS)
    if (head.toString("latin1", at, at + bytes.length) === bytes) throw noDisk(path, `the file is ${what}`, todo);
  if (head.toString("latin1", 0, 4) !== "QFI\xfb") return { format: "raw", bytes: size, head };
  const bytes = await checkQcow2(path, size, signal);
  try {
    const count = ["bs=65536", "count=1", `if=${path}`, `of=${scratch}`];
    await run("qemu-img", ["dd", "-f", "qcow2", "-O", "raw", ...count], { signal });
    return { format: "qcow2", bytes, head: await beginningOf(scratch) };
  } finally {
    await rm(scratch, { force: true });
  }
}

async function beginningOf(path: string): Promise<Buffer> {
  const file = await open(path, "r");
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** The parts of `qemu-img info --output=json` that we read. */
interface Info {
  readonly "virtual-size": number;
  /** Bytes; of qcow2. */
  readonly "cluster-size"?: number;
  readonly "backing-filename"?: string;
  readonly encrypted?: boolean;
  readonly "format-specific"?: { readonly data?: { readonly "data-file"?: string } };
}

/** Likewise of `qemu-img check`. */
interface Check {
  readonly corruptions?: number;
  /** Where the last part of it ends, in the file. */
  readonly "image-end-offset"?: number;
}

const CHECKED = [0, 2, 3]; // whole; corrupt; with room that is lost, which harms nobody

async function checkQcow2(path: string, size: number, signal: AbortSignal): Promise<number> {
  const again = "fetch or make it again, and compare its checksum";
  const ask = async (verb: string, okExitCodes: readonly number[]) => {
    try {
      return JSON.parse(
        await run("qemu-img", [verb, "-f", "qcow2", "--output=json", path], { signal, okExitCodes }),
      ) as unknown;
    } catch (error) {
      if (!(error instanceof MayflyError) || error.code !== "TOOL_FAILED") throw error;
      throw noDisk(path, error.evidence ?? "qemu-img cannot read it", again, error);
    }
  };
  const info = (await ask("info", [0])) as Info;
  const below = info["backing-filename"] ?? info["format-specific"]?.data?.["data-file"];
  if (below !== undefined)
    throw noDisk(
      path,
      `the rest of its data is in another file, ${below}`,
      "make one file of them: qemu-img convert -O qcow2 FILE WHOLE.qcow2",
    );
  if (info.encrypted === true)
    throw noDisk(path, "it is encrypted by QEMU", "decrypt it: qemu-img convert, with --object secret");
  const { corruptions = 0, "image-end-offset": end = 0 } = (await ask("check", CHECKED)) as Check;
  if (isCutOff(info, end, size))
    throw noDisk(path, `it is cut off: its data go to byte ${String(end)}, the file ends at ${String(size)}`, again);
  if (corruptions > 0) throw noDisk(path, `qemu-img check finds ${String(corruptions)} places that are corrupt`, again);
  return info["virtual-size"];
}

/** The last cluster need not be there as a whole. @param end Where the last part of it ends by its tables. */
function isCutOff({ "cluster-size": cluster = 1 }: Info, end: number, size: number): boolean {
  return end - size >= cluster;
}

/** The error for a file that no machine can boot from. */
export function noDisk(path: string, evidence: string, remedy: string, cause?: unknown): MayflyError {
  return new MayflyError("IMAGE_NOT_BOOTABLE", `${path} is no disk that a machine can boot from`, {
    ...{ evidence, remedy, cause },
  });
}
