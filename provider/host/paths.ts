import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { MayflyError } from "../errors";
import { makeFoldersSync, openUpSync } from "./files";

/** Every place on the host where Mayfly keeps something. Nothing is written elsewhere. */
export interface Paths {
  /** The root of it all: `$MAYFLY_HOME`, else for root `/var/lib/mayfly`, else `$XDG_DATA_HOME/mayfly` (`~/.local/share`). */
  readonly home: string;
  /** Boot artefacts, one folder per image digest. */
  readonly artefacts: string;
  /** Saved memory and devices of machines that wait for their identity, one folder each. */
  readonly templates: string;
  /** One folder per machine: sockets, console log, keys, scratch disk. */
  readonly machines: string;
  /** One folder per private network: the log of its switch. */
  readonly networks: string;
  /** What we own, written before it exists. */
  readonly records: string;
  /** Locks between processes. */
  readonly locks: string;
  /** Verdicts about this host (accelerator, podman), valid for one boot of it. */
  readonly verdicts: string;
  /** The read-only root directory that all qemu and virtiofsd containers share. */
  readonly containerRoot: string;
  /** Consoles of machines that did not come up, for some days. */
  readonly failed: string;
  /** Files that are being made; anything here may be deleted when no process works on it. */
  readonly scratch: string;
}

/**
 * Folders that others may pass through but not list: containers with mapped user ids reach their files by way of them.
 * What is in them is for this user only, file by file.
 */
export const PASSABLE = 0o711;

/** The data folder by an environment. Makes nothing. */
export function dataFolder(environment: NodeJS.ProcessEnv): string {
  const { MAYFLY_HOME: given = "" } = environment;
  return given === "" ? defaultHome(environment) : resolve(given); // podman starts nothing at a relative path
}

/**
 * Works out the paths from an environment and makes the folders.
 *
 * @throws {MayflyError} `BAD_INPUT` for a data folder with a colon in its path: podman has conmon write the consoles' logs,
 * and conmon takes a colon for the path's end. Likewise for one that cannot be made.
 */
export function openPaths(environment: NodeJS.ProcessEnv = process.env): Paths {
  const home = dataFolder(environment);
  if (home.includes(":"))
    throw new MayflyError("BAD_INPUT", "the data folder can't have a colon in its path", {
      evidence: home,
      remedy: "MAYFLY_HOME=/another/folder",
    });
  const paths: Paths = {
    home,
    artefacts: join(home, "artefacts"),
    templates: join(home, "templates"),
    machines: join(home, "machines"),
    networks: join(home, "networks"),
    records: join(home, "records"),
    locks: join(home, "locks"),
    verdicts: join(home, "verdicts"),
    containerRoot: join(home, "container-root"),
    failed: join(home, "failed"),
    scratch: join(home, "scratch"),
  };
  const modes = new Map([
    [home, PASSABLE],
    [paths.machines, PASSABLE],
    [paths.templates, PASSABLE],
    [paths.containerRoot, 0o755], // holds nothing but links and empty folders, and runc opens it as a mapped user
  ]);
  try {
    for (const folder of Object.values(paths) as string[]) makeFoldersSync(folder, modes.get(folder) ?? 0o700);
    for (const [folder, mode] of modes) openUpSync(folder, mode);
  } catch (cause) {
    throw new MayflyError("BAD_INPUT", "the data folder can't be made", {
      evidence: (cause as Error).message,
      remedy: "MAYFLY_HOME=/another/folder",
      cause,
    });
  }
  return paths;
}

/** Root's home is closed to the mapped users of its containers, so root's data is where a system's is. */
function defaultHome(environment: NodeJS.ProcessEnv): string {
  if (process.getuid?.() === 0) return "/var/lib/mayfly";
  const { XDG_DATA_HOME: data = "", HOME: home = homedir() } = environment;
  return join(isAbsolute(data) ? data : join(home, ".local", "share"), "mayfly"); // the specification: others count as unset
}

/** The part of a machine's folder that its container shares. */
export function sharedFolder({ machines }: Pick<Paths, "machines">, id: string): string {
  return join(machines, id, "shared");
}

/** In that folder: where qemu listens for the switch of the machine's private network number `index`. */
export function segmentSocket(index: number): string {
  return `segment${String(index)}.sock`;
}

/** Likewise the channel over which the guest hears that network's names: see {@link pipesOf}. */
export function namesChannel(index: number): string {
  return `names${String(index)}`;
}

/** The two pipes that a channel to the guest is made of, as QEMU's `-chardev pipe` finds them by the channel's name. */
export function pipesOf(channel: string): readonly [toGuest: string, fromGuest: string] {
  return [`${channel}.in`, `${channel}.out`];
}
