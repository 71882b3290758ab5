import type { ArchitectureName } from "./schema/architecture";

/** What of a machine depends on its processor. Everything else is the same on all. */
export interface Architecture {
  /** As Go, OCI images and Debian name it. */
  readonly name: ArchitectureName;
  /** As its kernel names it (`uname -m`), and QEMU and GCC their programs. */
  readonly kernelName: string;
  /** Number by which the files of its programs name it: `e_machine` in elf(5). */
  readonly elfMachine: number;
  /** QEMU's program for it, and Debian's package that has that. */
  readonly qemu: string;
  readonly qemuPackage: string;
  /** The machine that QEMU is to be, as `-machine` takes it. */
  readonly machine: string;
  /** The processor under emulation, as `-cpu` takes it. With KVM it is the host's own. */
  readonly emulatedCpu: string;
  /** The kernel's name of the serial port. */
  readonly console: string;
  /** Of the kernel's command line, what only its kernels know. */
  readonly kernelArgs: readonly string[];
  /** Debian's kernel for virtual machines. */
  readonly kernelPackage: string;
  /** Folder of Debian's libraries. */
  readonly libraries: string;
  /** Path of the C library's loader, as Debian's programs name it. */
  readonly loader: string;
}

/** All of them. */
export const ARCHITECTURES: Readonly<Record<ArchitectureName, Architecture>> = {
  amd64: {
    name: "amd64",
    kernelName: "x86_64",
    elfMachine: 62,
    qemu: "qemu-system-x86_64",
    qemuPackage: "qemu-system-x86",
    machine: "q35",
    // Without fast `rep movsb`, under both of its names: a kernel that sees one copies and clears by that instruction,
    // which QEMU carries out byte by byte. Measured with QEMU 7.2, which has only the first, and Linux 6.1: a pipe or a
    // file is read three times as fast without, and a program starts in three quarters of the time. With QEMU 10 and only
    // the first off, Linux hangs at its boot; with both off it boots.
    emulatedCpu: "max,erms=off,fsrm=off",
    console: "ttyS0",
    // Its first serial port is the only one. Devices are plugged in by way of ACPI, which leaves no work to the services of
    // PCI Express, of which each slot would have three. All of them are devices that udev asks its rules about at each boot.
    kernelArgs: ["no_timer_check", "8250.nr_uarts=1", "pcie_ports=compat"],
    kernelPackage: "linux-image-cloud-amd64",
    libraries: "/usr/lib/x86_64-linux-gnu",
    loader: "/lib64/ld-linux-x86-64.so.2",
  },
  arm64: {
    name: "arm64",
    kernelName: "aarch64",
    elfMachine: 183,
    qemu: "qemu-system-aarch64",
    qemuPackage: "qemu-system-arm",
    machine: "virt,gic-version=max", // the default has no more than eight CPUs
    emulatedCpu: "max,pauth=off,sve=off", // a boot costs a third more with signed pointers and vectors of any length
    console: "ttyAMA0",
    kernelArgs: [],
    kernelPackage: "linux-image-cloud-arm64",
    libraries: "/usr/lib/aarch64-linux-gnu",
    loader: "/lib/ld-linux-aarch64.so.1",
  },
};

/** The one of this host. Where machines can't have it, what they run on is emulated. */
export function hostArchitecture(processor: string = process.arch): ArchitectureName {
  return processor === "arm64" ? "arm64" : "amd64";
}

/** The one by a name; `undefined` where machines can't have it. */
export function findArchitecture(name: string): Architecture | undefined {
  return Object.values(ARCHITECTURES).find((architecture) => architecture.name === name);
}
