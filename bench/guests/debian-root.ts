import { join } from "node:path";
import { debianMirror } from "../../provider/images/debian-mirror";
import type { ContainerImages, Workshop } from "../../tests/support/container-images";

/** A Debian that `Image.debian` does not make, as that one always has systemd. */
export interface DebianRoot {
  readonly suite: string;
  readonly packages: readonly string[];
}

/** Makes an image of Debian's packages; returns its name. Takes half a minute. */
export async function makeDebianRoot(
  workshop: Workshop,
  images: ContainerImages,
  name: string,
  { suite, packages }: DebianRoot,
): Promise<string> {
  const tar = join(workshop.home, `${name}.tar`);
  await workshop.run(
    ...["env", "INITRD=No", "mmdebstrap", "--quiet", "--variant=minbase"], // see provider/images/debian.ts
    ...["--aptopt=APT::Install-Recommends false", "--aptopt=Acquire::Retries 3"],
    ...["doc", "man", "locale"].map((folder) => `--dpkgopt=path-exclude=/usr/share/${folder}/*`),
    "--keyring=/usr/share/keyrings/debian-archive-keyring.gpg",
    ...(packages.length > 0 ? [`--include=${packages.join(",")}`] : []),
    ...[suite, tar, debianMirror()],
  );
  return images.take(name, tar, {});
}
