import { createHash } from "node:crypto";
import type { BigIntStats } from "node:fs";
import { join } from "node:path";
import { readFileIfExists, writeFileAtomic } from "../host/files";
import type { Paths } from "../host/paths";

/** What is known of what is at a path, and what tells that it is still the same. */
interface KnownDigest {
  readonly mark: string;
  readonly digest: string;
}

/** What is hashed in some 20 ms, which a look into another file would not save. In bytes. */
export const WORTH_KEEPING = 16 * 1024 ** 2;

/** What tells that a file is still the same: nobody can set an inode's change time. */
export function markOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(" ");
}

/** The digest that was kept of what is at a path; `undefined` where it has another mark by now. */
export async function knownDigest(
  paths: Pick<Paths, "verdicts">,
  kind: "archive" | "context",
  path: string,
  mark: string,
): Promise<string | undefined> {
  const text = await readFileIfExists(placeOf(paths, kind, path));
  const known = text === undefined ? undefined : (JSON.parse(text) as KnownDigest);
  return known?.mark === mark ? known.digest : undefined;
}

/** Keeps a digest until the mark is another one. */
export async function keepDigest(
  paths: Pick<Paths, "verdicts">,
  kind: "archive" | "context",
  path: string,
  known: KnownDigest,
): Promise<void> {
  await writeFileAtomic(placeOf(paths, kind, path), JSON.stringify(known));
}

function placeOf({ verdicts }: Pick<Paths, "verdicts">, kind: string, path: string): string {
  return join(verdicts, `${kind}-${createHash("sha256").update(path).digest("hex").slice(0, 16)}.json`);
}
