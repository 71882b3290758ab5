import { createHash } from "node:crypto";
import { chmodSync, cpSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import zlib from "node:zlib";
import type { Architecture } from "../architectures";
import { MayflyError } from "../errors";
import { findProgram } from "../host/podman";
import { run } from "../host/run";
import { isDynamic } from "./elf";

/** The scripts that run inside a guest; data, versioned by their content. */
const GUEST_FOLDER = join(__dirname, "..", "guest");

/** What goes into every initramfs beside modules: our scripts, our helper, and a busybox that needs no library. */
export interface GuestFiles {
  /** Changes when any of the files does. */
  readonly version: string;
  readonly busybox: string;
  /** Path on the host by name in the guest's `/usr/lib/mayfly`. */
  readonly files: ReadonlyMap<string, string>;
}

/**
 * This host's busybox, which needs no library.
 *
 * @throws {MayflyError} `TOOL_MISSING` when there is none.
 */
export function hostBusybox(): string {
  const busybox = findProgram("busybox");
  if (busybox === undefined || isDynamic(busybox)) {
    throw new MayflyError("TOOL_MISSING", "no statically linked busybox is installed on this host", {
      evidence:
        busybox === undefined
          ? "busybox is not in PATH"
          : `${busybox} needs shared libraries, which a guest lacks at boot`,
      remedy: "sudo apt-get install busybox-static",
    });
  }
  return busybox;
}

/** Finds the files for guests of an architecture, `busybox` beside them. */
export function guestFiles({ kernelName }: Architecture, busybox: string): GuestFiles {
  const files = new Map(
    readdirSync(GUEST_FOLDER)
      .filter((name) => name.endsWith(".sh"))
      .sort()
      .map((name) => [name, join(GUEST_FOLDER, name)]),
  );
  files.set("helper", join(GUEST_FOLDER, "helper", `helper-${kernelName}`));
  files.set("pam-ahead.so", join(GUEST_FOLDER, "pam-ahead", `pam-ahead-${kernelName}`));
  const hash = createHash("sha256");
  for (const [name, path] of files) hash.update(name).update(readFileSync(path));
  hash.update(readFileSync(busybox));
  return { version: hash.digest("hex").slice(0, 12), busybox, files };
}

/**
 * Packs `folder` (with `modules/` in it) as an initramfs, uncompressed: under emulation reading 5 MB costs less than
 * unpacking 2.
 *
 * @param guest What goes into it; `extra` has texts by name in the guest's `/usr/lib/mayfly`.
 */
export async function packInitramfs(
  folder: string,
  file: string,
  guest: GuestFiles & { readonly extra: ReadonlyMap<string, string> },
  signal: AbortSignal,
): Promise<void> {
  mkdirSync(join(folder, "bin"), { recursive: true });
  mkdirSync(join(folder, "dev"), { recursive: true });
  mkdirSync(join(folder, "mayfly"), { recursive: true });
  cpSync(guest.busybox, join(folder, "bin", "busybox"));
  chmodSync(join(folder, "bin", "busybox"), 0o755);
  for (const [name, path] of guest.files) cpSync(path, join(folder, "mayfly", name));
  for (const [name, text] of guest.extra) writeFileSync(join(folder, "mayfly", name), text);
  chmodSync(join(folder, "mayfly", "helper"), 0o755);
  cpSync(join(GUEST_FOLDER, "init.sh"), join(folder, "init"));
  chmodSync(join(folder, "init"), 0o755);
  await unpackModules(join(folder, "modules"), signal);
  const names = (readdirSync(folder, { recursive: true }) as string[]).sort(); // a folder comes before what is in it
  await run(hostBusybox(), ["cpio", "-o", "-H", "newc", "-R", "0:0", "-F", file], {
    signal,
    directory: folder,
    input: names.map((name) => `${name}\n`).join(""),
  });
}

/** busybox's insmod takes plain modules only. */
async function unpackModules(folder: string, signal: AbortSignal): Promise<void> {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    const plain = path.replace(/\.(?:gz|xz|zst)$/, "");
    if (plain === path) continue;
    const unpack = name.endsWith(".gz") ? zlib.gunzipSync : name.endsWith(".zst") ? zstdOfNode() : undefined;
    if (unpack === undefined) {
      await run(name.endsWith(".xz") ? "xz" : "zstd", ["--decompress", "--quiet", path], { signal });
    } else writeFileSync(plain, unpack(readFileSync(path)));
    rmSync(path, { force: true });
  }
}

/** Node's own, which it has from 22.15 on. */
function zstdOfNode(): typeof zlib.zstdDecompressSync | undefined {
  return "zstdDecompressSync" in zlib ? zlib.zstdDecompressSync : undefined;
}
