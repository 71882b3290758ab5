import { expect, test } from "@jest/globals";

const elf = import("../../../scripts/setup/static-elf.mjs");

/** The start of a 64-bit program with program headers of these types, as elf(5) has it. */
function program(...types: number[]): Buffer {
  const [offset, size] = [64, 56];
  const bytes = Buffer.alloc(offset + size * types.length);
  bytes.write("\u007FELF\u0002\u0001", "latin1");
  bytes.writeBigUInt64LE(BigInt(offset), 32);
  bytes.writeUInt16LE(size, 54);
  bytes.writeUInt16LE(types.length, 56);
  types.forEach((type, index) => bytes.writeUInt32LE(type, offset + size * index));
  return bytes;
}

test.each([
  ["loadable parts only", program(1, 1, 4), true],
  ["an interpreter", program(6, 3, 1, 1), false],
  ["a shell script", Buffer.from("#!/bin/sh\n".padEnd(100)), false],
  ["an empty file", Buffer.alloc(0), false],
  ["headers that are cut off", program(1, 1).subarray(0, 100), false],
])("static: %s", async (_case, bytes, answer) => {
  expect((await elf).isStaticElf(bytes)).toBe(answer);
});
