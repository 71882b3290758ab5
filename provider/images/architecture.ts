import { MayflyError } from "../errors";

/** Names of other architectures as images have them, with Debian's package of the qemu that would run them. */
const QEMU_PACKAGES: Readonly<Record<string, string>> = {
  arm: "qemu-system-arm",
  arm64: "qemu-system-arm",
  ppc64le: "qemu-system-ppc",
  riscv64: "qemu-system-misc",
  s390x: "qemu-system-misc",
};

/**
 * Sees that an image is for the processor that machines have.
 *
 * @param architecture As the image says; empty: it does not.
 * @throws {MayflyError} `IMAGE_NOT_BOOTABLE`.
 */
export function checkArchitecture(architecture: string): void {
  if (architecture === "" || architecture === "amd64") return;
  const needed = QEMU_PACKAGES[architecture];
  const would = needed === undefined ? "" : ` (${architecture} would need ${needed}, which Mayfly does not start)`;
  throw new MayflyError("IMAGE_NOT_BOOTABLE", `the image is for ${architecture}; machines are amd64`, {
    evidence: `podman image inspect says: "Architecture": "${architecture}"`,
    remedy: `take the image's amd64 form: podman pull --arch amd64 NAME. Machines run in qemu-system-x86${would}`,
  });
}
