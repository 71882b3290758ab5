import { rm } from "node:fs/promises";
import { readFileIfExists, writeFileAtomic } from "../host/files";
import type { Settled } from "./sync-plan";

/** What the files were that a sync has sent, as it is written down in a file; nothing where there is none. */
export async function readSettled(file: string): Promise<Settled> {
  const text = await readFileIfExists(file);
  return new Map(text === undefined ? [] : (JSON.parse(text) as [string, string][]));
}

/** Writes that down, where there is a folder for it. @param settled `undefined`: nobody knows any more. */
export async function writeSettled(file: string, settled: Settled | undefined): Promise<void> {
  if (settled === undefined) await rm(file, { force: true });
  else await writeFileAtomic(file, JSON.stringify([...settled])).catch(unlessGone);
}

function unlessGone(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
}
