import { createHash } from "node:crypto";
import { constants, existsSync } from "node:fs";
import { lstat } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { openUntrusted, readFileIfExists, syncTree, writeFileAtomic } from "../host/files";
import { hostBootId } from "../host/process-identity";
import { TEMPLATE_FILES } from "./qemu-command";

/** What is on disk beside a template's files. */
export interface TemplateRecord {
  /** What the template and the machines made of it agree on. */
  readonly shape: Readonly<Record<string, unknown>>;
  /** SHA-256 of the state. */
  readonly state: string;
  /** The memory as it was when saved. */
  readonly memory: FileMark;
  /** The scratch disk, likewise. Absent where there is none, and in records of former versions. */
  readonly scratch?: FileMark;
  /** The boot of the host in which it was made. */
  readonly bootId: string;
}

/** Tells whether a file was written to since: nobody can set an inode's change time (stat(2), st_ctime). */
interface FileMark {
  readonly inode: string;
  readonly size: string;
  readonly changed: string;
}

/** Beside a template's files: their data has reached the disk. They are good for the host's next boot, too. */
const ON_DISK = "on-disk";

/** Describes the files that a maker has put into a template's folder. Throws where one is missing, or is no file. */
export async function describeFiles(folder: string, shape: TemplateRecord["shape"]): Promise<TemplateRecord> {
  return {
    shape,
    state: await digest(join(folder, TEMPLATE_FILES.state)),
    ...(await marks(folder)),
    bootId: hostBootId(),
  };
}

/** Reads a template's record; `undefined` where its files are not as it says. */
export async function readSound(folder: string, text: string): Promise<TemplateRecord | undefined> {
  try {
    const record = JSON.parse(text) as TemplateRecord;
    const isKept = record.bootId === hostBootId() || (await readFileIfExists(join(folder, ON_DISK))) !== undefined;
    const { memory, scratch, state } = record;
    const isSound =
      isKept &&
      isDeepStrictEqual({ memory, ...(scratch && { scratch }) }, await marks(folder)) &&
      state === (await digest(join(folder, TEMPLATE_FILES.state)));
    return isSound ? record : undefined;
  } catch {
    return undefined; // a file is missing, or the record is no JSON
  }
}

/** The big files, whose content nobody reads to check it. */
async function marks(folder: string): Promise<Pick<TemplateRecord, "memory" | "scratch">> {
  const scratch = join(folder, TEMPLATE_FILES.scratch);
  const memory = await mark(join(folder, TEMPLATE_FILES.memory));
  return existsSync(scratch) ? { memory, scratch: await mark(scratch) } : { memory };
}

/**
 * Throws for what is no file: a link of the qemu's that wrote it would lead later machines to a file of the host's. And for
 * what others of this host may read, as former versions made it.
 */
async function mark(file: string): Promise<FileMark> {
  const seen = await lstat(file, { bigint: true });
  if (!seen.isFile()) throw new Error(`${file} is no file`);
  const { ino, size, ctimeNs, mode } = seen;
  if ((mode & 0o077n) !== 0n) throw new Error(`${file} is not for this user only`);
  return { inode: String(ino), size: String(size), changed: String(ctimeNs) };
}

async function digest(file: string): Promise<string> {
  const opened = await openUntrusted(file, constants.O_RDONLY);
  try {
    return createHash("sha256")
      .update(await opened.readFile())
      .digest("hex");
  } finally {
    await opened.close();
  }
}

/** Brings a template's files to the disk, beside all else that goes on, and notes that they are there. */
export async function settle(folder: string): Promise<void> {
  for (const name of Object.values(TEMPLATE_FILES))
    if (existsSync(join(folder, name))) await syncTree(join(folder, name));
  await writeFileAtomic(join(folder, ON_DISK), "");
}
