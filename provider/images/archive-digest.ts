import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { MayflyError } from "../errors";
import { readFileIfExists, writeFileAtomic } from "../host/files";
import type { Paths } from "../host/paths";
import { hostBootId } from "../host/process-identity";
import { hashFile } from "./build-context";

/** What is known of a file, and what tells that it is still the same: nobody can set an inode's change time. */
interface KnownDigest {
  readonly mark: string;
  readonly digest: string;
}

const WORTH_KEEPING = 16 * 1024 ** 2; // hashed in some 20 ms, which a look into another file would not save

/** SHA-256 of a file in hex. That of a large one is remembered until the file changes, or the host's next boot. */
export async function digestArchive(paths: Pick<Paths, "verdicts">, file: string): Promise<string> {
  const path = resolve(file);
  const mark = await markOf(path);
  const key = createHash("sha256").update(path).digest("hex").slice(0, 16);
  const kept = join(paths.verdicts, `archive-${key}.json`);
  const text = await readFileIfExists(kept);
  const known = text === undefined ? undefined : (JSON.parse(text) as KnownDigest);
  if (known?.mark === mark) return known.digest;
  const digest = await hashFile(path);
  const { size } = await stat(path);
  if (size >= WORTH_KEEPING && (await markOf(path)) === mark)
    await writeFileAtomic(kept, JSON.stringify({ mark, digest } satisfies KnownDigest));
  return digest;
}

/** The error for a file whose digest is another one after it was read: what was read of it is neither content. */
export function changedMeanwhile(file: string): MayflyError {
  return new MayflyError("BAD_INPUT", `${file} was written to while it was read`, {
    remedy: "wait until whoever writes it has ended, and run `pulumi up` again",
  });
}

async function markOf(path: string): Promise<string> {
  const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
  return [hostBootId(), dev, ino, size, mtimeNs, ctimeNs].join(" ");
}
