/** So long a run of zeros is worth a hole in a file. */
const HOLE = 32_768;
const ZEROS = Buffer.alloc(HOLE);
const BLOCK = 4_096; // of a filesystem; what is left over at the end of a chunk may be as short

/**
 * The parts of some content that have to be written, where what is not written reads as zeros. The end of a file always
 * has to: it makes its size.
 *
 * @param isLast Whether the content ends with the file.
 */
export function* withoutHoles(content: Buffer, isLast: boolean): Generator<{ at: number; part: Buffer }> {
  let begun = 0;
  for (let at = 0; at < content.length; at += HOLE) {
    const end = Math.min(at + HOLE, content.length);
    if ((isLast && end === content.length) || end - at < BLOCK) continue;
    if (!content.subarray(at, end).equals(ZEROS.subarray(0, end - at))) continue;
    if (at > begun) yield { at: begun, part: content.subarray(begun, at) };
    begun = end;
  }
  if (content.length > begun) yield { at: begun, part: content.subarray(begun) };
}

/** Whether a file has holes. */
export function isSparse({ size, blocks }: { readonly size: number; readonly blocks: number }): boolean {
  return blocks * 512 < size; // st_blocks is in these units, whatever the filesystem's own are
}
