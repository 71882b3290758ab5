import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { BootDisk } from "../../images/disk";
import { makeFolders } from "../../host/files";
import { PASSABLE } from "../../host/paths";
import { run } from "../../host/run";
import { findUefi } from "../../host/uefi";
import { INSIDE } from "../inside";
import type { Access, Identity } from "../spec";
import { DISK_MACHINE_FILES, type DiskBootFiles } from "./command";
import { systemdCredential } from "./credentials";
import { seedDisk } from "./seed";

/** What the folder of a machine that boots its own disk is made of. */
interface Contents {
  /** Where; the container shares it. */
  readonly folder: string;
  /** File for the console. */
  readonly log: string;
  readonly boot: BootDisk;
  /** Size that the disk grows to; absent, or less than it has: it stays as it is. */
  readonly diskMiB: number | undefined;
  readonly identity: Identity;
  readonly access: Access;
  /** Data of the user's for cloud-init. */
  readonly userData: string | undefined;
  /** Configuration of the user's for Ignition. */
  readonly ignition: string | undefined;
}

/** Makes it; returns what the command line has to know. Throws `TOOL_MISSING` for `qemu-img` and UEFI firmware. */
export async function makeDiskFolder(contents: Contents, signal: AbortSignal): Promise<DiskBootFiles> {
  const { folder, log, boot, diskMiB = 0, identity, access, userData, ignition } = contents;
  const place = (name: string) => join(folder, name);
  const keep = async (name: string, content: string | Buffer) => writeFile(place(name), content, { mode: 0o600 });
  await makeFolders(folder, PASSABLE);
  await writeFile(log, "", { mode: 0o600 });
  const bytes = Math.max(boot.bytes, diskMiB * 1_048_576);
  await keep(DISK_MACHINE_FILES.overlay, ""); // qemu-img would make it for all to read, and leaves the mode of one that is there
  // By its name in the container, where qemu-img cannot look at it: so the size has to be said.
  const below = ["-u", "-b", `${INSIDE.artefacts}/${boot.file}`, "-F", boot.format];
  await run("qemu-img", ["create", "-q", "-f", "qcow2", ...below, place(DISK_MACHINE_FILES.overlay), String(bytes)], {
    signal,
  });
  await keep(DISK_MACHINE_FILES.seed, seedDisk(identity, access, userData));
  await keep(DISK_MACHINE_FILES.credential, systemdCredential(identity, access));
  if (ignition !== undefined) await keep(DISK_MACHINE_FILES.ignition, ignition);
  if (boot.firmware === "bios") return { uefiCode: undefined, hasIgnition: ignition !== undefined };
  const { code, settings } = findUefi();
  await keep(DISK_MACHINE_FILES.settings, await readFile(settings));
  return { uefiCode: code, hasIgnition: ignition !== undefined };
}
