import { gzipSync, zstdCompressSync } from "node:zlib";
import { expect, test } from "@jest/globals";
import { compressSync } from "lz4-napi";
import { pvhKernel } from "../../../provider/images/pvh-kernel";

// Debian's own, packed by LZ4 (12) and zstd (13), are in the e2e ring and `npm run guests`.

/** A note, as elf(5) lays it out. */
function note(name: string, type: number, text: string): Buffer {
  const padded = (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
  const head = Buffer.alloc(12);
  head.writeUInt32LE(name.length + 1, 0);
  head.writeUInt32LE(text.length, 4);
  head.writeUInt32LE(type, 8);
  return Buffer.concat([head, padded(Buffer.from(`${name}\0`)), padded(Buffer.from(text))]);
}

/** An ELF file of nothing but notes. */
function elf(...notes: Buffer[]): Buffer {
  const [head, segment, body] = [Buffer.alloc(64), Buffer.alloc(56), Buffer.concat(notes)];
  head.write("\x7fELF\x02\x01", "latin1");
  head.writeBigUInt64LE(64n, 32);
  head.writeUInt16LE(56, 54);
  head.writeUInt16LE(1, 56);
  segment.writeUInt32LE(4, 0);
  segment.writeBigUInt64LE(BigInt(64 + 56), 8);
  segment.writeBigUInt64LE(BigInt(body.length), 32);
  return Buffer.concat([head, segment, body]);
}

/** LZ4's legacy format: a magic number, and blocks of at most 8 MiB, each behind its length. */
function lz4Legacy(text: Buffer): Buffer {
  const block = compressSync(text).subarray(4); // before it, the library puts how long it is unpacked
  const head = Buffer.alloc(8);
  head.writeUInt32BE(0x02214c18, 0);
  head.writeUInt32LE(block.length, 4);
  return Buffer.concat([head, block]);
}

/** Laid out as the boot protocol has it: two sectors of real mode, what unpacks, what is packed, something behind it. */
function bzImage(packed: Buffer, protocol = 0x20f): Buffer {
  const head = Buffer.alloc(3 * 512);
  head.writeUInt8(2, 0x1f1);
  head.write("HdrS", 0x202, "latin1");
  head.writeUInt16LE(protocol, 0x206);
  head.writeUInt32LE(100, 0x248);
  head.writeUInt32LE(packed.length, 0x24c);
  return Buffer.concat([head, Buffer.alloc(100), packed, Buffer.from("behind it")]);
}

const KERNEL = elf(note("GNU", 3, "a build id"), note("Xen", 6, "linux"), note("Xen", 18, "entry"));
const withSize = (packed: Buffer) => Buffer.concat([packed, Buffer.from("size")]);

test.each([
  ["gzip", (kernel: Buffer) => gzipSync(kernel)],
  ["zstd", (kernel: Buffer) => withSize(zstdCompressSync(kernel))],
  ["LZ4", (kernel: Buffer) => withSize(lz4Legacy(kernel))],
])("a kernel that %s has packed is found in its bzImage", async (_how, pack) => {
  expect(await pvhKernel(bzImage(pack(KERNEL)))).toEqual(KERNEL);
});

test.each([
  ["a kernel that has no such entry", bzImage(gzipSync(elf(note("GNU", 18, "not Xen's"), note("Xen", 6, "linux"))))],
  ["what is packed and no ELF file", bzImage(gzipSync(Buffer.from("something else")))],
  ["one that is packed otherwise", bzImage(withSize(Buffer.from("\xfd7zXZ\0...", "latin1")))],
  ["one whose packed part is broken", bzImage(gzipSync(KERNEL).subarray(0, 30))],
  ["one of a protocol that tells of no payload", bzImage(gzipSync(KERNEL), 0x207)],
  ["a file that is cut off", bzImage(gzipSync(KERNEL)).subarray(0, 0x210)],
  ["a kernel for another processor", Buffer.from("not a bzImage".padEnd(4_096))],
])("there is none in %s", async (_what, image) => {
  expect(await pvhKernel(image)).toBeUndefined();
});
