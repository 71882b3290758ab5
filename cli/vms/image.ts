import type { Session } from "../rooms";

/** `debian`, or with a suite. A tag of digits (`debian:12`) is that of an OCI image. */
const DEBIAN = /^debian(?::([a-z][a-z-]*))?$/;

/** The image that is meant where none is named. */
export const DEFAULT_IMAGE = "debian";

/** The suite that an image's name asks for; `undefined` where it names an OCI image. */
export function debianSuite(name: string): string | undefined {
  const match = DEBIAN.exec(name);
  return match === null ? undefined : (match[1] ?? "bookworm");
}

/** The image in podman's store that a name stands for; Debian is made from its packages, once. */
export async function resolveImage(name: string, { images, signal, say, step }: Session): Promise<string> {
  const suite = debianSuite(name);
  if (suite === undefined) return name;
  return step(`Making a Debian image (${suite}) from its packages, once`, () =>
    images.debian({ suite, packages: [] }, signal, say),
  );
}
