import { gunzipSync, zstdDecompressSync } from "node:zlib";

/** How much of a file {@link isZboot} has to see. */
export const ZBOOT_HEAD_BYTES = 64;

/** Whether a kernel is packed for EFI alone ("zboot", as Fedora's for arm64 are): there is no firmware to unpack it. */
export function isZboot(head: Buffer): boolean {
  return head.toString("latin1", 0, 2) === "MZ" && head.toString("latin1", 4, 8) === "zimg";
}

/**
 * The kernel inside of such a file, whose head has where it is, how long, and how it is packed: zboot-header.S of the
 * kernel's sources. `undefined` where it is packed in a way that we do not know. Pure.
 */
export function unpackZboot(file: Buffer): Buffer | undefined {
  const [start, bytes] = [file.readUInt32LE(8), file.readUInt32LE(12)];
  const packed = file.subarray(start, start + bytes);
  const how = file.toString("latin1", 24, file.indexOf(0, 24));
  if (how === "gzip") return gunzipSync(packed);
  return how.startsWith("zstd") ? zstdDecompressSync(packed) : undefined;
}
