import { existsSync } from "node:fs";
import { ARCHITECTURES, hostArchitecture } from "../../provider/architectures";
import { MayflyError } from "../../provider/errors";
import { findProgram } from "../../provider/host/podman";
import { findUefi } from "../../provider/host/uefi";
import { hostBusybox } from "../../provider/images/initramfs";
import type { ArchitectureName } from "../../provider/schema/architecture";
import type { Check, Finding, Look } from "./check";
import { installCommand, type Family } from "./distribution";

/** A program that VMs need, and the package that has it. */
interface Need {
  readonly name: string;
  /** Any of these will do; by default the name itself. */
  readonly anyOf?: readonly string[];
  /** What does not work without it; absent: nothing does. */
  readonly only?: string;
  readonly packages: Readonly<Record<Exclude<Family, "other">, string>>;
}

/** The same package on all. */
function everywhere(name: string): Need["packages"] {
  return { debian: name, fedora: name, arch: name, suse: name };
}

/** The processor that guests can have and this host has not. */
const FOREIGN: ArchitectureName = hostArchitecture() === "amd64" ? "arm64" : "amd64";

const EMULATOR = `qemu-${ARCHITECTURES[FOREIGN].kernelName}-static`;

const QEMU_PACKAGES: Readonly<Record<ArchitectureName, Need["packages"]>> = {
  amd64: { debian: "qemu-system-x86", fedora: "qemu-system-x86-core", arch: "qemu-base", suse: "qemu-x86" },
  arm64: {
    ...{ debian: "qemu-system-arm", fedora: "qemu-system-aarch64-core" },
    ...{ arch: "qemu-system-aarch64", suse: "qemu-arm" },
  },
};

const NEEDS: readonly Need[] = [
  { name: "podman", packages: everywhere("podman") },
  { name: "runc", anyOf: ["runc", "crun"], packages: everywhere("runc") },
  { name: ARCHITECTURES[hostArchitecture()].qemu, packages: QEMU_PACKAGES[hostArchitecture()] },
  {
    name: "slirp4netns",
    anyOf: ["slirp4netns", ...(process.getuid?.() === 0 ? [] : ["pasta"])], // podman has pasta for ordinary users alone
    packages: everywhere("slirp4netns"),
  },
  { name: "mkfs.erofs", packages: everywhere("erofs-utils") },
  { name: "setpriv", packages: everywhere("util-linux") },
  {
    name: "ssh",
    only: "mayfly ssh, exec and cp",
    packages: { debian: "openssh-client", fedora: "openssh-clients", arch: "openssh", suse: "openssh-clients" },
  },
  {
    name: "virtiofsd",
    anyOf: ["virtiofsd", "/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd", "/usr/lib/virtiofsd"],
    only: "--bind and mounts",
    packages: {
      debian: "virtiofsd   (before Debian 13 and Ubuntu 24.04: qemu-system-common)",
      fedora: "virtiofsd",
      arch: "virtiofsd",
      suse: "virtiofsd",
    },
  },
  {
    name: "qemu-img",
    only: "disk images",
    packages: { ...everywhere("qemu-img"), debian: "qemu-utils", suse: "qemu-tools" },
  },
  { name: "mke2fs", only: "--disk", packages: everywhere("e2fsprogs") },
  { name: "mmdebstrap", only: "Debian images from packages", packages: everywhere("mmdebstrap") },
  { name: ARCHITECTURES[FOREIGN].qemu, only: `images for ${FOREIGN}`, packages: QEMU_PACKAGES[FOREIGN] },
  {
    name: EMULATOR,
    anyOf: [EMULATOR, EMULATOR.replace("-static", "")],
    only: `Debian images for ${FOREIGN}`,
    packages: {
      ...{ debian: "qemu-user-static arch-test", fedora: "qemu-user-static arch-test" },
      ...{ arch: "qemu-user-static", suse: "qemu-linux-user" },
    },
  },
  { name: "rsync", only: "fast syncs; SFTP does them else", packages: everywhere("rsync") },
];

const BUSYBOX_PACKAGES: Need["packages"] = {
  ...{ debian: "busybox-static", fedora: "busybox", arch: "busybox", suse: "busybox-static" },
};

const UEFI_PACKAGES: Need["packages"] = {
  ...{ debian: "ovmf", fedora: "edk2-ovmf", arch: "edk2-ovmf", suse: "qemu-ovmf-x86_64" },
};

/** Programs of the host, and the one firmware that QEMU does not bring. */
export const programs: Check = (look) =>
  Promise.resolve([...NEEDS.map((need) => lookAt(need, look)), lookForBusybox(look), lookForUefi(look)]);

/** Not any will do: see there. */
function lookForBusybox({ distribution }: Look): Finding {
  const name = "busybox";
  try {
    return { name, state: "ok", found: hostBusybox() };
  } catch (error) {
    if (!(error instanceof MayflyError)) throw error;
    const fix = installCommand(distribution, [packageFor(distribution, BUSYBOX_PACKAGES)]);
    return { name, state: "fail", found: error.evidence ?? error.message, fix };
  }
}

function lookForUefi({ distribution }: Look): Finding {
  const name = "UEFI firmware";
  try {
    return { name, state: "ok", found: findUefi().code };
  } catch (error) {
    if (!(error instanceof MayflyError)) throw error;
    const found = "not installed; needed for disk images that boot by UEFI";
    return { name, state: "warn", found, fix: installCommand(distribution, [packageFor(distribution, UEFI_PACKAGES)]) };
  }
}

function packageFor({ family }: Look["distribution"], packages: Need["packages"]): string {
  return family === "other" ? packages.debian : packages[family];
}

function lookAt({ name, anyOf = [name], only, packages }: Need, { distribution }: Look): Finding {
  const found = anyOf.map((one) => (one.startsWith("/") ? existing(one) : findProgram(one))).find(Boolean);
  if (found !== undefined) return { name, state: "ok", found };
  const wanted = packageFor(distribution, packages);
  return {
    ...{ name, state: only === undefined ? "fail" : "warn" },
    found: only === undefined ? "not installed" : `not installed; needed for ${only}`,
    fix: installCommand(distribution, [wanted]),
  };
}

function existing(path: string): string | undefined {
  return existsSync(path) ? path : undefined;
}
