import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, readFile, stat, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { MayflyError } from "../errors";
import { copySparse } from "../host/files";
import { findUefi } from "../host/uefi";
import type { Paths } from "../host/paths";
import { changedMeanwhile, digestArchive } from "./archive-digest";
import { noDisk, readDiskFile, type DiskFile } from "./disk-file";
import { once, wasThere, type Workplace } from "./once";
import { bootRoads, type BootRoads } from "./partitions";

/** What a machine's first instructions come from. */
type Firmware = "bios" | "uefi";

/** A disk that machines boot from by its own loader; read-only, below what each of them writes. */
export interface BootDisk {
  /** The folder that holds it, and nothing that may change. */
  readonly folder: string;
  /** Its name there. */
  readonly file: string;
  readonly format: DiskFile["format"];
  /** Size of the disk. */
  readonly bytes: number;
  readonly firmware: Firmware;
  /** SHA-256 of the file. */
  readonly version: string;
}

/** A disk image in the cache. */
export interface StoredDisk {
  /** SHA-256 of its file. */
  readonly id: string;
  /** `sha256:…` of its file. */
  readonly digest: string;
  /** Size of its file. */
  readonly bytes: number;
  readonly disk: BootDisk;
}

const DISK_FILE = "disk";
const FACTS_FILE = "disk.json";

/** What is kept beside a disk. */
type Facts = Omit<DiskFile, "head"> & Pick<BootRoads, "bios" | "uefi">;

/** A disk image, as a program names it. */
export interface DiskSource {
  /** Absolute, or from the program's folder. */
  readonly disk: string;
  readonly firmware: "auto" | Firmware;
}

const NAME = /^localhost\/mayfly\/disk(?::(bios|uefi))?@sha256:([0-9a-f]{64})$/;

/**
 * Looks at a disk's file: whether it is whole, and by what it boots.
 *
 * @throws {MayflyError} `IMAGE_NOT_BOOTABLE`, `TOOL_MISSING`.
 */
export async function examineDisk(
  { scratch }: Pick<Paths, "scratch">,
  { disk, firmware }: DiskSource,
  signal: AbortSignal,
): Promise<Facts> {
  const file = resolve(disk);
  const { head, ...facts } = await readDiskFile(file, join(scratch, randomBytes(8).toString("hex")), signal);
  const { bios, uefi, needsBytes, foreign } = bootRoads(head);
  if (facts.bytes < needsBytes)
    throw noDisk(
      file,
      `it is cut off: its partitions need ${String(needsBytes)} bytes, it has ${String(facts.bytes)}`,
      "fetch or make it again, and compare its checksum",
    );
  if (foreign !== undefined)
    throw noDisk(file, `its root partition is for ${foreign}`, "take the image's amd64 form: machines are amd64");
  const found = { ...facts, bios, uefi };
  if (chooseFirmware(file, found, firmware) === "uefi") findUefi();
  return found;
}

/** BIOS where a disk can have either: it needs no package, and is there sooner. */
function chooseFirmware(file: string, { bios, uefi }: Facts, wanted: DiskSource["firmware"]): Firmware {
  if (!bios && !uefi)
    throw noDisk(
      file,
      "it has neither code in its boot sector nor an EFI system partition",
      "take an image with a boot loader; for a root filesystem alone there are `rootfs` and `containerfile`",
    );
  const can = { bios, uefi };
  if (wanted === "auto") return bios ? "bios" : "uefi";
  if (can[wanted]) return wanted;
  const lacks = { bios: "no code in its boot sector", uefi: "no EFI system partition" };
  throw noDisk(file, `firmware is "${wanted}", and it has ${lacks[wanted]}`, 'leave firmware out, or set it to "auto"');
}

/**
 * Has a copy of a disk in the cache, so that what happens to the file is nothing to its machines; returns the name that
 * means this content.
 *
 * @throws {MayflyError} `IMAGE_NOT_FOUND`, `IMAGE_NOT_BOOTABLE`, `TOOL_MISSING`, `DISK_FULL`; `BAD_INPUT` when the file changed meanwhile.
 */
export async function importDisk(workplace: Workplace, source: DiskSource, signal: AbortSignal): Promise<string> {
  const { paths } = workplace;
  const file = resolve(source.disk);
  if (!existsSync(file))
    throw new MayflyError("IMAGE_NOT_FOUND", `there is no file ${file}`, {
      remedy: "correct the path; one that is relative starts at the folder that this runs in",
    });
  const digest = await digestArchive(paths, file);
  const folder = join(paths.artefacts, digest);
  await once(workplace, folder, signal, async (draft) => {
    const facts = await examineDisk(paths, { ...source, firmware: "auto" }, signal);
    await copySparse(file, join(draft, DISK_FILE), signal);
    await chmod(join(draft, DISK_FILE), 0o400);
    if ((await digestArchive(paths, file)) !== digest) throw changedMeanwhile(file);
    await writeFile(join(draft, FACTS_FILE), JSON.stringify(facts));
    return draft;
  });
  chooseFirmware(file, await factsOf(folder), source.firmware);
  return `localhost/mayfly/disk${source.firmware === "auto" ? "" : `:${source.firmware}`}@sha256:${digest}`;
}

async function factsOf(folder: string): Promise<Facts> {
  return JSON.parse(await readFile(join(folder, FACTS_FILE), "utf8")) as Facts;
}

/**
 * The disk that a name means; `undefined` for the name of something else.
 *
 * @returns `"gone"` where the cache has it no more.
 */
export async function findDisk(
  { artefacts }: Pick<Paths, "artefacts">,
  name: string,
): Promise<StoredDisk | "gone" | undefined> {
  const [, wanted, digest] = NAME.exec(name) ?? [];
  if (digest === undefined) return undefined;
  const folder = join(artefacts, digest);
  if (!(await wasThere(folder))) return "gone";
  const { format, bytes, ...roads } = await factsOf(folder);
  const firmware = chooseFirmware(name, { format, bytes, ...roads }, (wanted ?? "auto") as DiskSource["firmware"]);
  const file = await stat(join(folder, DISK_FILE));
  return {
    id: digest,
    digest: `sha256:${digest}`,
    bytes: file.size,
    disk: { folder, file: DISK_FILE, format, bytes, firmware, version: digest },
  };
}

/** The error for a disk image that was in the cache, and is not any more. */
export function diskGone(name: string): MayflyError {
  return new MayflyError("IMAGE_NOT_FOUND", `there is no disk image "${name}" on this host`, {
    evidence: "the cache keeps what is used, and throws out what was not asked for for longest",
    remedy: "run `pulumi up` on the stack whose Image it is: it copies the file again",
  });
}
