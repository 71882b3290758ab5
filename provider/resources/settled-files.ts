import { createHash } from "node:crypto";
import { rm } from "node:fs/promises";
import { resolve } from "node:path";
import type { Context } from "../context";
import { readFileIfExists, writeFileAtomic } from "../host/files";
import type { DirectorySyncSpec } from "../schema/directory-sync";
import type { Synced } from "../ssh/ssh";

type Where = Pick<DirectorySyncSpec, "vmId" | "source" | "remotePath">;

/**
 * What the files were that a sync has sent last to a VM. Nothing where nobody has written that down on this host, as for a
 * host that is no VM of ours: that costs a comparison of all files of the same size.
 */
export async function rememberedSettled(where: Where, context: Context): Promise<Synced["settled"]> {
  const file = fileOf(where, context);
  const text = file === undefined ? undefined : await readFileIfExists(file);
  return new Map(text === undefined ? [] : (JSON.parse(text) as [string, string][]));
}

/** Writes that down, in the VM's own folder, with which it goes. @param settled `undefined`: nobody knows. */
export async function rememberSettled(
  where: Where,
  settled: Synced["settled"] | undefined,
  context: Context,
): Promise<void> {
  const file = fileOf(where, context);
  if (file === undefined) return;
  if (settled === undefined) await rm(file, { force: true });
  else await writeFileAtomic(file, JSON.stringify([...settled])).catch(unlessGone);
}

/** With its VM went the folder. */
function unlessGone(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
}

function fileOf({ vmId, source, remotePath }: Where, { machines }: Context): string | undefined {
  if (vmId === undefined || source === undefined) return undefined;
  const name = createHash("sha256")
    .update(JSON.stringify([resolve(source), remotePath]))
    .digest("hex");
  return machines.file(vmId, `settled-${name.slice(0, 16)}.json`);
}
