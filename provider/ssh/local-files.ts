import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { Readable } from "node:stream";

/** Hashes of the same bytes, in hex: the one that is shown, and those by which the other side may answer. */
export interface Hashes {
  readonly sha256: string;
  /** What costs an emulated guest least: as much as reading the bytes. */
  readonly xxh64: string;
  /** BLAKE2b-512, for servers that are no guests of ours; worked out when it is asked for. */
  readonly blake2b: () => Promise<string>;
}

/** Whether one of the hashes is what the other side says of the same bytes. */
export async function isHashIn(hash: string, { sha256, xxh64, blake2b }: Hashes): Promise<boolean> {
  return hash === sha256 || hash === xxh64 || (hash.length === BLAKE2B_DIGITS && hash === (await blake2b()));
}

const BLAKE2B_DIGITS = 128;

/** Hashes of bytes at hand. */
export async function hashesOfBytes(bytes: Uint8Array): Promise<Hashes> {
  return hashesOf(() => Readable.from([Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)]));
}

/** Hashes of an open file, read once. */
export async function hashesOfFile(file: FileHandle): Promise<Hashes> {
  return hashesOf(() => contentOf(file));
}

async function hashesOf(content: () => AsyncIterable<Buffer> | Promise<AsyncIterable<Buffer>>): Promise<Hashes> {
  const { default: xxhash } = await import("xxhash-wasm"); // ESM, or its types would not be true
  const [sha256, xxh64] = [createHash("sha256"), (await xxhash()).create64()];
  for await (const chunk of await content()) {
    sha256.update(chunk);
    xxh64.update(chunk);
  }
  return {
    sha256: sha256.digest("hex"),
    xxh64: xxh64.digest().toString(16).padStart(16, "0"),
    blake2b: async () => {
      const blake2b = createHash("blake2b512");
      for await (const chunk of await content()) blake2b.update(chunk);
      return blake2b.digest("hex");
    },
  };
}

/** SHA-256 of an open file, in hex. */
async function hashOf(file: FileHandle): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of await contentOf(file)) hash.update(chunk);
  return hash.digest("hex");
}

async function contentOf(file: FileHandle): Promise<AsyncIterable<Buffer>> {
  const { size } = await file.stat();
  // The kernel says 0 of files that it makes up while they are read (/proc): these go on to their end.
  const end = size === 0 ? Number.POSITIVE_INFINITY : size - 1;
  return createReadStream("", { fd: file, start: 0, end, autoClose: false });
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
