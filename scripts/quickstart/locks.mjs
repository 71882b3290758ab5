import { existsSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";

/**
 * Removes the locks of Pulumi processes that were killed: Pulumi itself would refuse to work until a person runs
 * `pulumi cancel`. A lock of a living process, or of another machine, stays.
 *
 * @param {string} folder Where Pulumi's file backend keeps its locks.
 */
export function removeDeadLocks(folder) {
  const names = existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: "utf8" }) : [];
  for (const name of names.filter((path) => path.endsWith(".json"))) {
    const file = join(folder, name);
    if (!isDead(file)) continue;
    rmSync(file, { force: true });
    rmSync(`${file}.attrs`, { force: true }); // what the backend notes beside each file
  }
}

/** @param {string} file A lock; maybe one that is being written now, or given back. */
function isDead(file) {
  try {
    const lock = JSON.parse(readFileSync(file, "utf8"));
    return lock.hostname === hostname() && typeof lock.pid === "number" && !isPulumi(lock.pid);
  } catch {
    return false;
  }
}

/** @param {number} pid Of a process that may be gone, and its id another's. */
function isPulumi(pid) {
  const file = `/proc/${pid}/comm`;
  return existsSync(file) && readFileSync(file, "utf8").includes("pulumi"); // or `.pulumi-wrapped`, as Nix has it
}
