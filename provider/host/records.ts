import { readFileSync } from "node:fs";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { isDraftOf, readFileIfExists, removeOldDraft, replaceFile, replaceFileSync, writeFileAtomic } from "./files";

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

  /** Reads one record; `undefined` when there is none, or none that can be read: see {@link unreadable}. */
  async read(id: string): Promise<T | undefined> {
    const text = await readFileIfExists(this.file(id));
    return text === undefined ? undefined : (parse(text) as T | undefined);
  }

  /** Forgets a thing that is gone, with what a killed writer has left of its record. Succeeds when it is already forgotten. */
  async remove(id: string): Promise<void> {
    const names = await readdir(this.folder).catch(() => []);
    for (const name of names.filter((file) => isDraftOf(this.file(id), join(this.folder, file))))
      await rm(join(this.folder, name), { force: true });
    await rm(this.file(id), { force: true });
  }

  /**
   * All records that can be read, by id: one that a failing disk has spoilt is no reason to do nothing for all others.
   * What killed writers have left of others is removed after a while.
   */
  async list(): Promise<Map<string, T>> {
    const found = new Map<string, T>();
    const names = await readdir(this.folder).catch(() => []);
    await Promise.all(names.map(async (name) => removeOldDraft(join(this.folder, name), DRAFT_MS)));
    for (const id of idsIn(names)) {
      const record = await this.read(id);
      if (record !== undefined) found.set(id, record);
    }
    return found;
  }

  /** Ids of the things whose record is there and can't be read. {@link remove} forgets them like others. */
  async unreadable(): Promise<string[]> {
    const found: string[] = [];
    for (const id of idsIn(await readdir(this.folder).catch(() => []))) {
      const text = await readFileIfExists(this.file(id));
      if (text !== undefined && parse(text) === undefined) found.push(id);
    }
    return found;
  }

  private file(id: string): string {
    return join(this.folder, `${id}.json`);
  }
}

function idsIn(names: readonly string[]): string[] {
  const records = names.filter((name) => name.endsWith(".json")).sort();
  return records.map((name) => name.slice(0, -".json".length));
}

/** Reads a record's text; `undefined` when it is none. */
function parse(text: string): object | undefined {
  try {
    const record: unknown = JSON.parse(text);
    return typeof record === "object" && record !== null ? record : undefined;
  } catch {
    return undefined; // cut short, or zeros: from a power cut, or a disk that was full
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
    if (record.phase === "ready") replaceFileSync(file, spell({ ...record, phase: "committed" }));
  } catch {
    // Gone meanwhile, no record of this kind, or a full disk: what is not marked stays as it is, and is still on record.
  }
}
