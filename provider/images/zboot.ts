import { unpack } from "./unpack";

/** How much of a file {@link isZboot} has to see. */
export const ZBOOT_HEAD_BYTES = 64;

/** Whether a kernel is packed for EFI alone ("zboot", as Fedora's for arm64 are): there is no firmware to unpack it. */
export function isZboot(head: Buffer): boolean {
  return head.toString("latin1", 0, 2) === "MZ" && head.toString("latin1", 4, 8) === "zimg";
}

/**
 * The kernel inside of such a file, whose head has where it is and how long: zboot-header.S of the kernel's sources.
 * `undefined` where it is packed in a way that we do not know.
 */
export async function unpackZboot(file: Buffer): Promise<Buffer | undefined> {
  const [start, bytes] = [file.readUInt32LE(8), file.readUInt32LE(12)];
  return unpack(file.subarray(start, start + bytes));
}
