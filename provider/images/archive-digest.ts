import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { MayflyError } from "../errors";
import type { Paths } from "../host/paths";
import { hostBootId } from "../host/process-identity";
import { hashFile } from "./build-context";
import { keepDigest, knownDigest, markOf, WORTH_KEEPING } from "./known-digest";

/** SHA-256 of a file in hex. That of a large one is remembered until the file changes, or the host's next boot. */
export async function digestArchive(paths: Pick<Paths, "verdicts">, file: string): Promise<string> {
  const path = resolve(file);
  const mark = await markNow(path);
  const known = await knownDigest(paths, "archive", path, mark);
  if (known !== undefined) return known;
  const digest = await hashFile(path);
  const { size } = await stat(path);
  if (size >= WORTH_KEEPING && (await markNow(path)) === mark)
    await keepDigest(paths, "archive", path, { mark, digest });
  return digest;
}

/** The error for a file whose digest is another one after it was read: what was read of it is neither content. */
export function changedMeanwhile(file: string): MayflyError {
  return new MayflyError("BAD_INPUT", `${file} was written to while it was read`, {
    remedy: "wait until whoever writes it has ended, and run `pulumi up` again",
  });
}

async function markNow(path: string): Promise<string> {
  return `${hostBootId()} ${markOf(await stat(path, { bigint: true }))}`;
}
