const SECTION_BYTES = 40;

/**
 * The kernel inside a unified kernel image: the section `.linux` of a PE file, as the UAPI group's specification of these
 * images has it; `undefined` where there is none. Pure.
 */
export function kernelInside(image: Buffer): Buffer | undefined {
  const head = image.length < 64 ? 0 : image.readUInt32LE(0x3c);
  if (image.toString("latin1", head, head + 4) !== "PE\0\0" || image.length < head + 24) return undefined;
  const [count, optionalBytes] = [image.readUInt16LE(head + 6), image.readUInt16LE(head + 20)];
  const first = head + 24 + optionalBytes;
  if (image.length < first + count * SECTION_BYTES) return undefined;
  for (let at = first; at < first + count * SECTION_BYTES; at += SECTION_BYTES) {
    if (image.toString("latin1", at, at + 8).replace(/\0+$/, "") !== ".linux") continue;
    const [size, rawSize, start] = [
      image.readUInt32LE(at + 8),
      image.readUInt32LE(at + 16),
      image.readUInt32LE(at + 20),
    ];
    return image.subarray(start, start + Math.min(size, rawSize)); // what is stored is padded
  }
  return undefined;
}
