import { readFileSync, writeFileSync } from "node:fs";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { isDraftOf, readFileIfExists, removeOldDraft, replaceFile, writeFileAtomic } from "./files";

/**
 * What we own, on disk: one JSON file per thing, written before the thing exists and removed after it is gone, so that
 * whatever a crash leaves behind is known to the next run.
 */
export class Records<T extends object> {
  /** @param folder Where the files are; made when missing. */
  constructor(private readonly folder: string) {}

  /** Writes a record, new or changed. On return it is on disk. */
  async write(id: string, record: T): Promise<void> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    await writeFileAtomic(this.file(id), spell(record));
  }

  /** Writes a record anew that is on disk already. After a power cut it may be what it was. */
  async rewrite(id: string, record: T): Promise<void> {
    await replaceFile(this.file(id), spell(record));
  }

  /** Reads one record; `undefined` when there is none. */
  async read(id: string): Promise<T | undefined> {
    const text = await readFileIfExists(this.file(id));
    return text === undefined ? undefined : (JSON.parse(text) as T);
  }

  /** Forgets a thing that is gone, with what a killed writer has left of its record. Succeeds when it is already forgotten. */
  async remove(id: string): Promise<void> {
    const names = await readdir(this.folder).catch(() => []);
    for (const name of names.filter((file) => isDraftOf(this.file(id), join(this.folder, file))))
      await rm(join(this.folder, name), { force: true });
    await rm(this.file(id), { force: true });
  }

  /** All records, by id. What killed writers have left of others is removed after a while. */
  async list(): Promise<Map<string, T>> {
    const found = new Map<string, T>();
    const names = await readdir(this.folder).catch(() => []);
    await Promise.all(names.map(async (name) => removeOldDraft(join(this.folder, name), DRAFT_MS)));
    for (const name of names.filter((file) => file.endsWith(".json")).sort()) {
      const id = name.slice(0, -".json".length);
      const record = await this.read(id);
      if (record !== undefined) found.set(id, record);
    }
    return found;
  }

  private file(id: string): string {
    return join(this.folder, `${id}.json`);
  }
}

function spell(record: object): string {
  return `${JSON.stringify(record, null, 2)}\n`;
}

const DRAFT_MS = 600_000; // to write one takes milliseconds, on a disk that stalls seconds

/** Marks a finished thing as known to Pulumi's state, in its record's file. Synchronous: for a process's last moments. */
export function commitSync(file: string): void {
  try {
    const record = JSON.parse(readFileSync(file, "utf8")) as { readonly phase?: string };
    if (record.phase === "ready") writeFileSync(file, JSON.stringify({ ...record, phase: "committed" }, null, 2));
  } catch {
    // Gone meanwhile, or no record of this kind: nothing to mark.
  }
}
