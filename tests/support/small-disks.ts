import { execFileSync } from "node:child_process";
import { truncateSync, writeFileSync } from "node:fs";

const SECTOR = 512;

/** A partition of a disk that holds nothing, in sectors. */
interface Partition {
  /** Type: a byte of an MBR, a GUID of a GPT. */
  readonly type: string;
  readonly start: number;
  readonly count: number;
}

/** Beginnings of disks, as partitioning programs write them. */
export const TYPES = {
  esp: "c12a7328-f81f-11d2-ba4b-00a0c93ec93b",
  biosBoot: "21686148-6449-6e6f-744e-656564454649",
  linux: "0fc63daf-8483-4772-8e79-3d69d8477de4",
  rootX86: "4f68bce3-e8cd-4db1-96e7-fbcaf984b709",
  rootArm64: "b921b045-1df0-41c3-af44-4c6f280d3fae",
} as const;

/** A boot sector with a partition table; with `code` also with what a BIOS would run. */
export function mbr(partitions: readonly Partition[], { code = false } = {}): Buffer {
  const sector = Buffer.alloc(SECTOR);
  if (code) sector.fill(0x90, 0, 440);
  partitions.forEach(({ type, start, count }, index) => {
    const at = 446 + index * 16;
    sector[at + 4] = Number.parseInt(type, 16);
    sector.writeUInt32LE(start, at + 8);
    sector.writeUInt32LE(count, at + 12);
  });
  sector.writeUInt16LE(0xaa55, 510);
  return sector;
}

/** The same with a GPT, of a disk of that many sectors. */
export function gpt(sectors: number, partitions: readonly Partition[], options: { code?: boolean } = {}): Buffer {
  const disk = Buffer.alloc(34 * SECTOR);
  mbr([{ type: "ee", start: 1, count: sectors - 1 }], options).copy(disk);
  disk.write("EFI PART", SECTOR);
  disk.writeBigUInt64LE(BigInt(sectors - 1), SECTOR + 32);
  disk.writeBigUInt64LE(2n, SECTOR + 72);
  disk.writeUInt32LE(128, SECTOR + 80);
  disk.writeUInt32LE(128, SECTOR + 84);
  partitions.forEach(({ type, start, count }, index) => {
    const at = 2 * SECTOR + index * 128;
    const [a = "", b = "", c = "", ...rest] = type.split("-");
    const turned = [a, b, c].map((part) => Buffer.from(part, "hex").reverse());
    Buffer.concat([...turned, Buffer.from(rest.join(""), "hex")]).copy(disk, at);
    disk.writeBigUInt64LE(BigInt(start), at + 32);
    disk.writeBigUInt64LE(BigInt(start + count - 1), at + 40);
  });
  return disk;
}

/** Writes a disk of that many bytes that begins so; sparse. */
export function writeRaw(file: string, head: Buffer, bytes: number): void {
  writeFileSync(file, head);
  truncateSync(file, bytes);
}

/** Runs `qemu-img`. */
export function qemuImg(...args: readonly string[]): void {
  execFileSync("qemu-img", args);
}
