import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { pipeline } from "node:stream/promises";

/** SHA-256 of an open file, in hex. */
export async function hashOf(file: FileHandle): Promise<string> {
  const hash = createHash("sha256");
  const { size } = await file.stat();
  if (size > 0) await pipeline(createReadStream("", { fd: file, start: 0, end: size - 1, autoClose: false }), hash);
  return hash.digest("hex");
}

/** SHA-256 of a file, in hex; `undefined` when there is no file that can be read. */
export async function hashFile(path: string): Promise<string | undefined> {
  try {
    await using file = await open(path, "r");
    return await hashOf(file);
  } catch {
    return undefined;
  }
}
