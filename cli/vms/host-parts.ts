import { readdir, readFile, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import type { AskedMachine, MachineOptions } from "../args/machine";
import type { Session } from "../rooms";
import { UsageError } from "../trouble";

/** Where the guest has this host's container storage. */
const STORAGE = "/mnt/hoststorage";

/** Adds to what was asked for what only this host knows: the text of files and units, where podman's storage is. */
export async function withHostParts(
  asked: AskedMachine,
  { systemdUnits, userData, ignition, bindStorageRo }: MachineOptions,
  { images, signal }: Pick<Session, "images" | "signal">,
): Promise<AskedMachine> {
  const texts = {
    ...(systemdUnits !== undefined && { systemdUnits: await readUnits(systemdUnits) }),
    ...(userData !== undefined && { userData: await readText("--user-data", userData) }),
    ...(ignition !== undefined && { ignition: await readText("--ignition", ignition) }),
  };
  if (bindStorageRo !== true) return { ...asked, inputs: { ...asked.inputs, ...texts } };
  const { mounts = [] } = asked.inputs;
  const storage = { source: await images.storeFolder(signal), target: STORAGE, readOnly: true };
  const origins = new Map([...asked.origins, [`mounts[${String(mounts.length)}]`, "--bind-storage-ro"]]);
  const inputs = { ...asked.inputs, ...texts, mounts: [...mounts, storage] };
  return { ...asked, inputs, origins };
}

async function readText(option: string, file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new UsageError(
      `${option} ${file}: must be a file on this host (${String((error as NodeJS.ErrnoException).code)})`,
    );
  }
}

/** Reads the units of a folder, or of `system` in it, and their drop-ins. */
async function readUnits(folder: string): Promise<Record<string, string>> {
  const root = (await isFolder(join(folder, "system"))) ? join(folder, "system") : folder;
  if (!(await isFolder(root))) throw new UsageError(`--systemd-units ${folder}: must be a folder on this host`);
  const units: Record<string, string> = {};
  for (const { name, parentPath } of await readdir(root, { withFileTypes: true, recursive: true })) {
    const path = join(parentPath, name);
    const unit = relative(root, path);
    if (!(await isFolder(path))) units[unit] = await readFile(path, "utf8");
    else if (!name.endsWith(".d"))
      throw new UsageError(
        `--systemd-units ${folder}: ${unit} is no drop-in (NAME.d); what is to be started says so in its [Install] section`,
      );
  }
  if (Object.keys(units).length === 0) throw new UsageError(`--systemd-units ${folder}: there is no unit in it`);
  return units;
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true;
}
