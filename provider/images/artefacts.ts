import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { cp, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { withLock } from "../host/locks";
import type { Paths } from "../host/paths";
import type { Podman } from "../host/podman";
import { extractImage, type ImageKernel } from "./extract";
import { guestFiles, packInitramfs } from "./initramfs";

/** What a machine boots from; read-only, shared by all machines of an image. */
export interface BootArtefacts {
  /** The folder that holds the files below, and nothing that may change. */
  readonly folder: string;
  /** The image's root filesystem, erofs. */
  readonly rootfs: string;
  readonly kernel: string;
  readonly initramfs: string;
  /** Changes with what is in these files: the image, and our own part of the initramfs. */
  readonly version: string;
  /** As `uname -r` says. */
  readonly kernelVersion: string;
}

/**
 * Makes the boot artefacts of an image, or finds those made before. One process makes them, others wait for it. They
 * appear by a rename, so a half-made set is never seen.
 *
 * @param image Id of an image in podman's store, without `sha256:`.
 */
export async function bootArtefacts(
  paths: Paths,
  podman: Podman,
  image: string,
  signal: AbortSignal,
): Promise<BootArtefacts> {
  const guest = guestFiles();
  const folder = join(paths.artefacts, image);
  const initramfs = join(folder, `initramfs-${guest.version}.cpio`);
  if (!existsSync(initramfs)) {
    await withLock(paths.locks, `artefacts-${image}`, signal, async () => {
      if (!existsSync(join(folder, "artefacts.json"))) {
        await madeInScratch(paths, async (draft) => {
          const kernel = await extractImage(podman, image, draft, signal);
          await writeFile(join(draft, "artefacts.json"), JSON.stringify(kernel));
          await rename(draft, folder);
        });
      }
      if (existsSync(initramfs)) return;
      await madeInScratch(paths, async (draft) => {
        await cp(join(folder, "initramfs", "modules"), join(draft, "modules"), { recursive: true });
        await packInitramfs(draft, `${draft}.cpio`, guest, signal);
        await rename(`${draft}.cpio`, initramfs);
      });
    });
  }
  const { version } = JSON.parse(await readFile(join(folder, "artefacts.json"), "utf8")) as ImageKernel;
  return {
    folder,
    rootfs: join(folder, "rootfs.erofs"),
    kernel: join(folder, "kernel"),
    initramfs,
    version: `${image}-${guest.version}`,
    kernelVersion: version,
  };
}

/** Works in a folder that is gone afterwards, whatever happened, unless the work has moved it into place. */
async function madeInScratch(paths: Paths, work: (draft: string) => Promise<void>): Promise<void> {
  const draft = join(paths.scratch, randomBytes(8).toString("hex"));
  await mkdir(draft, { mode: 0o700 });
  try {
    await work(draft);
  } finally {
    await rm(draft, { recursive: true, force: true });
    await rm(`${draft}.cpio`, { force: true });
  }
}
