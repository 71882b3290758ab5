import { open, type FileHandle } from "node:fs/promises";
import { MayflyError } from "../errors";
import { isSparse } from "./holes";
import { hashesOfBytes, hashesOfFile, type Hashes } from "./local-files";
import type { ReadAt } from "./remote-file";

const PERMISSIONS = 0o7777;

/** What a copy is made from. */
export interface Source {
  /** In bytes. */
  readonly size: number;
  /** Permission bits. */
  readonly mode: number;
  /** Whether it has holes. */
  readonly isSparse: boolean;
  readonly read: ReadAt;
  /** Of all of it, as it is now. */
  readonly hashes: () => Promise<Hashes>;
  readonly close: () => Promise<void>;
}

/**
 * Opens what is to be copied: a file of this host by its path, or its content.
 *
 * @throws {MayflyError} `NOT_FOUND`, `COPY_FAILED` for what is no regular file; the system's own errors.
 */
export async function openSource(source: string | Uint8Array): Promise<Source> {
  if (typeof source !== "string") return ofBytes(Buffer.from(source), 0o644);
  const file = await openLocal(source);
  const stats = await file.stat();
  const { size, mode } = stats;
  if (size === 0) {
    await using read = file; // it may be one of those that the kernel makes up while they are read (/proc)
    return ofBytes(await read.readFile(), mode & PERMISSIONS);
  }
  return {
    ...{ size, mode: mode & PERMISSIONS, isSparse: isSparse(stats) },
    read: async (buffer, length, position) => (await file.read(buffer, 0, length, position)).bytesRead,
    hashes: () => hashesOfFile(file),
    close: () => file.close(),
  };
}

function ofBytes(bytes: Buffer, mode: number): Source {
  const read: ReadAt = (buffer, length, position) =>
    Promise.resolve(bytes.copy(buffer, 0, position, position + length));
  const hashes = () => hashesOfBytes(bytes);
  return { size: bytes.length, mode, isSparse: false, read, hashes, close: () => Promise.resolve() };
}

async function openLocal(path: string): Promise<FileHandle> {
  try {
    const file = await open(path, "r");
    if ((await file.stat()).isFile()) return file;
    await file.close();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ENOENT") throw cause;
    throw new MayflyError("NOT_FOUND", `there is no file ${path} on this host`, { cause, remedy: `ls -l ${path}` });
  }
  throw new MayflyError("COPY_FAILED", `${path} is no regular file`, {
    remedy: "name a file; for a directory there is DirectorySync",
  });
}
