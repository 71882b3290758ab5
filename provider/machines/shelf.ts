import { chmod, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sharedFolder, type Paths } from "../host/paths";
import { Records } from "../host/records";
import { isMountTag } from "./identity";
import type { MachineRecord } from "./record";

/** What is on disk of machines: the record of each, and its folder. */
export class Shelf {
  /** Of each machine its record, by id. */
  readonly records: Records<MachineRecord>;

  /** @param paths Where records and folders are. */
  constructor(readonly paths: Paths) {
    this.records = new Records<MachineRecord>(join(paths.records, "machines"));
  }

  /**
   * Changes parts of a machine's record. Throws when there is none any more.
   *
   * @param how `for now`: what a power cut makes void anyway, as no machine outlives it.
   */
  async change(id: string, change: Partial<MachineRecord>, how: "for now" | "for good" = "for now"): Promise<void> {
    const record = await this.records.read(id);
    if (record === undefined) throw new Error(`machine ${id} was removed while it was worked on`);
    const changed = { ...record, ...change };
    await (how === "for good" ? this.records.write(id, changed) : this.records.rewrite(id, changed));
  }

  /** Folder of all that is of a machine, but for its record. */
  folder(id: string): string {
    return join(this.paths.machines, id);
  }

  /** The folder in it that the machine's container sees. */
  shared(id: string): string {
    return sharedFolder(this.paths, id);
  }

  /** Path of a file in a machine's folder that its container does not see. */
  file(id: string, name: string): string {
    return join(this.folder(id), name);
  }

  /** Path of the console's log. */
  consoleLog(id: string): string {
    return this.file(id, "console.log");
  }

  /** Writes a file that the container does not see, for this user only; returns its path. */
  async keepFile(id: string, name: string, text: string): Promise<string> {
    const path = this.file(id, name);
    await writeFile(path, text, { mode: 0o600 });
    await chmod(path, 0o600);
    return path;
  }

  /**
   * Parts of a machine that have containers of their own: each has a folder before it has that. `undefined` when the
   * machine's folder is lost: whoever knows then is podman.
   */
  async parts(id: string): Promise<string[] | undefined> {
    const names = await readdir(this.shared(id)).catch(() => undefined);
    return names?.filter((name) => isMountTag(name));
  }
}
