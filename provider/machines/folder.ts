import { open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { bothEnded } from "../host/both-ended";
import { copySparse, makeFolders } from "../host/files";
import { namesChannel, PASSABLE, pipesOf } from "../host/paths";
import { run } from "../host/run";
import { AGENT_CHANNEL } from "./agent";
import { asDisk } from "./identity";
import { diskFile, SWAP } from "./disks";
import type { Seat } from "./seats";
import type { MachineSpec } from "./spec";

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
  /** What disks it has. */
  readonly spec: Pick<MachineSpec, "scratchMiB" | "disks" | "swapMiB">;
  /** Scratch disk of the template to start from; a new, empty one without. */
  readonly scratch: string | undefined;
}

/** Makes a machine's folder with all files that its container needs. */
export async function makeFolder(contents: Contents, signal: AbortSignal): Promise<void> {
  const { folder } = contents;
  await makeFolders(folder, PASSABLE);
  await bothEnded(makePipes(folder, contents.seats, signal), makeFiles(contents, signal));
}

async function makeFiles({ folder, log, disk, spec, scratch }: Contents, signal: AbortSignal): Promise<void> {
  await writeFile(log, "", { mode: 0o600 });
  await writeFile(join(folder, IDENTITY_DISK), asDisk(disk), { mode: 0o600 });
  for (const index of spec.disks.keys()) await writeFile(join(folder, diskFile(index)), "", { mode: 0o600 });
  if (spec.swapMiB !== undefined) await makeSparse(join(folder, SWAP), spec.swapMiB);
  if (spec.scratchMiB === undefined) return;
  const target = join(folder, SCRATCH);
  if (scratch === undefined) await makeScratch(target, spec.scratchMiB, signal);
  else await copySparse(scratch, target, signal);
}

/** Makes the pipes between host and guest. */
export async function makePipes(folder: string, seats: readonly Seat[], signal: AbortSignal): Promise<void> {
  const channels = [AGENT_CHANNEL, ...seats.map((_, index) => namesChannel(index))];
  const pipes = channels.flatMap(pipesOf).map((name) => join(folder, name));
  await run("mkfifo", ["-m", "600", ...pipes], { signal });
}

async function makeSparse(path: string, mib: number): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.truncate(mib * 1_048_576);
  } finally {
    await file.close();
  }
}

/**
 * A sparse file with an empty ext4 on it. With a journal: a qemu that is killed, by a reboot of the host for one, would leave
 * a filesystem that the next start cannot use, and that nobody can check (the host does not look into a guest's disk).
 */
async function makeScratch(path: string, mib: number, signal: AbortSignal): Promise<void> {
  await makeSparse(path, mib);
  const lazy = "lazy_itable_init=1,lazy_journal_init=1"; // what is not written takes no room
  await run("/usr/sbin/mke2fs", ["-q", "-t", "ext4", "-m", "0", "-E", lazy, path], { signal });
}
