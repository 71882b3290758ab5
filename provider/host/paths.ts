import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** Every place on the host where Mayfly keeps something. Nothing is written elsewhere. */
export interface Paths {
  /** The root of it all: `$MAYFLY_HOME`, else `$XDG_DATA_HOME/mayfly`, else `~/.local/share/mayfly`. */
  readonly home: string;
  /** Boot artefacts, one folder per image digest. */
  readonly artefacts: string;
  /** One folder per machine: sockets, console log, keys, scratch disk. */
  readonly machines: string;
  /** What we own, written before it exists. */
  readonly records: string;
  /** Locks between processes. */
  readonly locks: string;
  /** Verdicts about this host (accelerator, podman), valid for one boot of it. */
  readonly verdicts: string;
  /** The read-only root directory that all qemu and virtiofsd containers share. */
  readonly containerRoot: string;
  /** Files that are being made; anything here may be deleted when no process works on it. */
  readonly scratch: string;
}

/** Works out the paths from an environment and makes the folders, readable by this user only. */
export function openPaths(environment: NodeJS.ProcessEnv = process.env): Paths {
  const data = environment["XDG_DATA_HOME"] ?? join(environment["HOME"] ?? homedir(), ".local", "share");
  const home = environment["MAYFLY_HOME"] ?? join(data, "mayfly");
  const paths: Paths = {
    home,
    artefacts: join(home, "artefacts"),
    machines: join(home, "machines"),
    records: join(home, "records"),
    locks: join(home, "locks"),
    verdicts: join(home, "verdicts"),
    containerRoot: join(home, "container-root"),
    scratch: join(home, "scratch"),
  };
  for (const folder of Object.values(paths) as string[]) mkdirSync(folder, { recursive: true, mode: 0o700 });
  return paths;
}
