import type { ArchitectureName } from "../../provider/schema/architecture";
import type { Session } from "../rooms";
import { UsageError } from "../trouble";

/** `debian`, or with a suite. A tag of digits (`debian:12`) is that of an OCI image. */
const DEBIAN = /^debian(?::([a-z][a-z-]*))?$/;

/** The image that is meant where none is named. */
export const DEFAULT_IMAGE = "debian";

/** The suite that an image's name asks for; `undefined` where it names an OCI image. */
export function debianSuite(name: string): string | undefined {
  const match = DEBIAN.exec(name);
  return match === null ? undefined : (match[1] ?? "bookworm");
}

/**
 * An image of this host by its name or id; `undefined` where there is none. What can be no image's name, such as a VM's with a
 * capital letter, is not asked for: podman calls that an error.
 */
export async function findImage(name: string, { images, signal }: Session): ReturnType<Session["images"]["find"]> {
  const { imageName } = await import("../../provider/schema/fields.js");
  return imageName.safeParse(name).success ? images.find(name, signal) : undefined;
}

/** Whether a name is the path of a disk image. */
function isDiskFile(name: string): boolean {
  return /^\.{0,2}\//.test(name) || /\.(?:qcow2|img|raw)$/.test(name);
}

/** The name by which an image's VM is checked before the image is made. */
export function nameToCheck(name: string): string {
  return isDiskFile(name) ? `localhost/mayfly/disk@sha256:${"0".repeat(64)}` : name;
}

/**
 * The image that a name stands for, as the rooms know it: Debian is made from its packages, once; a disk is copied to where
 * disk images are; of an OCI image that is asked for by its architecture that form is pulled.
 */
export async function resolveImage(
  name: string,
  architecture: ArchitectureName | undefined,
  { images, signal, say, step }: Session,
): Promise<string> {
  if (isDiskFile(name) && architecture !== undefined) throw new UsageError("--arch: VMs of a disk image are amd64");
  if (isDiskFile(name)) return step(`Copying ${name}`, () => images.disk({ disk: name, firmware: "auto" }, signal));
  const suite = debianSuite(name);
  const [lacking] = architecture === undefined ? [] : images.missingFor(architecture, suite !== undefined);
  if (lacking !== undefined) throw lacking;
  if (suite === undefined) {
    if (architecture === undefined) return name;
    return images.pinned(name, await images.resolve(name, signal, say, { architecture }));
  }
  return step(`Making a Debian image (${suite}) from its packages, once`, () =>
    images.debian({ suite, architecture }, signal, say),
  );
}
