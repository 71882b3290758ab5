import { existsSync, lstatSync, readlinkSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeFoldersSync, openUpSync } from "./files";

const OPEN = 0o755;
const READABLE = 0o644;

/** The directory that all our containers have as their root: links into the host's /usr, and places to mount at. */
export function makeContainerRoot(root: string): void {
  for (const name of [
    "proc",
    "sys",
    "dev",
    "tmp",
    "run",
    "etc/alternatives",
    "usr",
    "var",
    "machine",
    "artefacts",
    "template",
    "memory",
    "source",
  ])
    makeOpenFolder(join(root, name));
  for (const name of ["bin", "sbin", "lib", "lib32", "lib64", "libx32"]) link(join("/", name), join(root, name));
  place("../run", join(root, "var", "run"));
  // runc makes missing mount points; all of them are here, so that nothing is ever written to the shared directory.
  for (const name of [
    "etc/hosts",
    "etc/resolv.conf",
    "etc/hostname",
    "etc/ld.so.cache",
    "run/.containerenv",
    "template/memory",
    "template/state",
  ]) {
    makeOpenFolder(join(root, name, ".."));
    writeFileSync(join(root, name), "", { flag: "a" });
    openUpSync(join(root, name), READABLE); // podman copies what is at /run, as a mapped user
  }
}

/** Whether the containers' root is as this version makes it: with all that is in it, and open to mapped user ids. */
export function isWholeRoot(root: string): boolean {
  const last = statSync(join(root, "template", "state"), { throwIfNoEntry: false });
  return last !== undefined && (last.mode & READABLE) === READABLE;
}

/** One that containers with mapped user ids can look into, too. */
function makeOpenFolder(path: string): void {
  makeFoldersSync(path, OPEN);
  openUpSync(path, OPEN);
}

/** The same link as the host has. */
function link(hostPath: string, path: string): void {
  if (existsSync(hostPath) && lstatSync(hostPath).isSymbolicLink()) place(readlinkSync(hostPath), path);
}

function place(target: string, path: string): void {
  try {
    symlinkSync(target, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}
