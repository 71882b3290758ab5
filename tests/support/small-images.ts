import type { ContainerImages } from "./container-images";

/** Its `test=panic` on the kernel's command line ends it, which no kernel survives; else it waits for ever. */
const INIT = `#!/usr/lib/mayfly/busybox sh
case "$(/usr/lib/mayfly/busybox cat /proc/cmdline)" in *test=panic*) exit 1 ;; esac
echo "guest: waits for what never comes"
exec /usr/lib/mayfly/busybox sleep 2147483647
`;

/** Images that are made in a second or two and boot in a few, or not at all. */
export interface SmallImages {
  /** Boots a real kernel, up to an init that starts no SSH server. */
  readonly silent: string;
  /** Has no file. */
  readonly empty: string;
  /** Is for another processor. */
  readonly foreign: string;
}

/** Makes them, with the kernel of an image that is there. */
export async function makeSmallImages(images: ContainerImages, kernelFrom: string): Promise<SmallImages> {
  return {
    silent: await images.make("silent", { files: { "usr/sbin/sshd": "", "sbin/init": INIT }, kernelFrom }),
    empty: await images.make("empty", {}),
    foreign: await images.make("foreign", {
      files: { program: "for another processor" },
      architecture: "riscv64",
    }),
  };
}
