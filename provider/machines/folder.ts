import { mkdir, open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { copySparse } from "../host/files";
import { namesChannel, PASSABLE, pipesOf } from "../host/paths";
import { run } from "../host/run";
import { AGENT_CHANNEL } from "./agent";
import { asDisk } from "./identity";
import type { Seat } from "./seats";

/** Files in the folder that a machine's container shares. */
export const IDENTITY_DISK = "identity.tar";
/** The scratch disk there, if the machine has one. */
export const SCRATCH = "scratch.img";

/** What a machine's folder is made of. */
interface Contents {
  /** Where; the container shares it. */
  readonly folder: string;
  /** File for the console. */
  readonly log: string;
  /** The identity, a tar. */
  readonly disk: Buffer;
  /** Places in private networks. */
  readonly seats: readonly Seat[];
  /** Size of the scratch disk; none without. */
  readonly scratchMiB: number | undefined;
  /** Scratch disk of the template to start from; a new, empty one without. */
  readonly scratch: string | undefined;
}

/** Makes a machine's folder with all files that its container needs. */
export async function makeFolder(contents: Contents, signal: AbortSignal): Promise<void> {
  const { folder, log, disk, scratchMiB, scratch } = contents;
  await mkdir(folder, { recursive: true, mode: PASSABLE });
  await writeFile(log, "", { mode: 0o600 });
  await writeFile(join(folder, IDENTITY_DISK), asDisk(disk), { mode: 0o600 });
  const channels = [AGENT_CHANNEL, ...contents.seats.map((_, index) => namesChannel(index))];
  const pipes = channels.flatMap(pipesOf).map((name) => join(folder, name));
  await run("mkfifo", ["-m", "600", ...pipes], { signal });
  if (scratchMiB === undefined) return;
  const target = join(folder, SCRATCH);
  if (scratch === undefined) await makeScratch(target, scratchMiB, signal);
  else await copySparse(scratch, target, signal);
}

/** A sparse file with an empty ext4 on it. */
async function makeScratch(path: string, mib: number, signal: AbortSignal): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.truncate(mib * 1_048_576);
  } finally {
    await file.close();
  }
  await run(
    "/usr/sbin/mke2fs",
    ["-q", "-t", "ext4", "-O", "^has_journal", "-m", "0", "-E", "lazy_itable_init=1", path],
    { signal },
  );
}
