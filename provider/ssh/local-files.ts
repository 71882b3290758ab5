import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { Readable } from "node:stream";

/** Hashes of the same bytes, in hex: the one that is shown, and the one that costs the other side least. */
export interface Hashes {
  readonly sha256: string;
  /** BLAKE2b-512. */
  readonly blake2b: string;
}

/** Whether one of the hashes is what the other side says of the same bytes. */
export function isHashIn(hash: string, { sha256, blake2b }: Hashes): boolean {
  return hash === sha256 || hash === blake2b;
}

/** Hashes of bytes at hand. */
export function hashesOfBytes(bytes: Uint8Array): Hashes {
  const of = (algorithm: string) => createHash(algorithm).update(bytes).digest("hex");
  return { sha256: of("sha256"), blake2b: of("blake2b512") };
}

/** Hashes of an open file, read once. */
export async function hashesOf(file: FileHandle): Promise<Hashes> {
  const [sha256, blake2b] = [createHash("sha256"), createHash("blake2b512")];
  for await (const chunk of await contentOf(file)) {
    sha256.update(chunk);
    blake2b.update(chunk);
  }
  return { sha256: sha256.digest("hex"), blake2b: blake2b.digest("hex") };
}

/** SHA-256 of an open file, in hex. */
async function hashOf(file: FileHandle): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of await contentOf(file)) hash.update(chunk);
  return hash.digest("hex");
}

async function contentOf(file: FileHandle): Promise<AsyncIterable<Buffer>> {
  const { size } = await file.stat();
  if (size === 0) return Readable.from([]);
  return createReadStream("", { fd: file, start: 0, end: size - 1, autoClose: false });
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
