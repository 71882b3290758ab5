import { gzipSync, zstdCompressSync } from "node:zlib";
import { expect, test } from "@jest/globals";
import { isZboot, unpackZboot, ZBOOT_HEAD_BYTES } from "../../../provider/images/zboot";

const KERNEL = Buffer.from("a kernel");

/** Laid out as zboot-header.S has it: what follows the packed kernel is the program that firmware starts. */
function zboot(how: string, packed: Buffer): Buffer {
  const head = Buffer.alloc(128);
  head.write("MZ\0\0zimg", 0, "latin1");
  head.writeUInt32LE(head.length, 8);
  head.writeUInt32LE(packed.length, 12);
  head.write(`${how}\0`, 24, "latin1");
  return Buffer.concat([head, packed, Buffer.from("a program of EFI's")]);
}

test.each([
  ["gzip", gzipSync(KERNEL)],
  ["zstd", zstdCompressSync(KERNEL)],
])("a kernel that is packed by %s for EFI alone is found in its file", async (how, packed) => {
  const file = zboot(how, packed);
  expect(isZboot(file.subarray(0, ZBOOT_HEAD_BYTES))).toBe(true);
  expect(await unpackZboot(file)).toEqual(KERNEL);
});

test("one that is packed otherwise is not, and other programs of EFI's are left alone", async () => {
  expect(await unpackZboot(zboot("lzma", KERNEL))).toBeUndefined();
  const plain = Buffer.alloc(ZBOOT_HEAD_BYTES);
  plain.write("MZ\0\0", 0, "latin1"); // arm64's own header, which stands in every kernel for it
  expect(isZboot(plain)).toBe(false);
});
