import type { Architecture } from "../architectures";
import { GUEST_SSH_PORT } from "./agent";
import { attachedArgs, attachedDisks, diskArgs } from "./disks";
import { mountTag } from "./identity";
import { INSIDE } from "./inside";
import { namesChannel, segmentSocket } from "../host/paths";
import type { Seat } from "./seats";
import { slotArgs } from "./slots";
import type { Identity, MachineSpec } from "./spec";
import { isKeptInByRules } from "./way-out";

/** Port of the container that leads to the guest's sshd. */
export const SSH_CONTAINER_PORT = 2_222;
const FIRST_PUBLISHED_PORT = 10_000;

/** Port of the container that leads to the guest's port number `index` of the declared ones. */
export function containerPort(index: number): number {
  return FIRST_PUBLISHED_PORT + index;
}

/**
 * Added to every kernel's command line. `panic=0`: a panic stops the guest, so that the console shows it; names of
 * network cards as the kernel gives them, so that the first is `eth0` in any image.
 */
const KERNEL_ARGS = ["quiet", "panic=0", "net.ifnames=0", "systemd.show_status=0"];

const TRANSLATION_CACHE_MIB = 256; // TCG's default of 1 GiB buys nothing measurable at boot, and counts as our memory

/**
 * How a machine comes to life. `cold`: through its kernel. `template`: the same, in memory that is kept as a file.
 * `warm`: from such a file, as a private mapping of it, so that what it does not write it shares with others.
 */
export type Start = "cold" | "template" | "warm";

/** What qemu needs beside its specification. */
export interface QemuFiles {
  /** What the image's programs are for. */
  readonly architecture: Architecture;
  /** Name of the kernel within the artefacts' folder, see `kernelOf` in `plan.ts`. */
  readonly kernel: string;
  /** Name there of the initramfs. */
  readonly initramfs: string;
  /** Name there of the disk with what the image lacks, if it lacks something. */
  readonly parts?: string | undefined;
  readonly start: Start;
  /** Empty slots for devices that are plugged in later; a template has as many as the machines made of it. */
  readonly slots: number;
}

/** The command line of a machine; pure. Device order is part of a template's shape: add at the end. */
export function qemuCommand(
  name: string,
  spec: MachineSpec,
  identity: Pick<Identity, "mac"> & { readonly seats: readonly Seat[] },
  files: QemuFiles,
): string[] {
  const { machine, artefacts } = INSIDE;
  const { architecture } = files;
  return [
    ...prelude(spec, files.start),
    architecture.qemu,
    ...["-name", name],
    ...["-machine", `${architecture.machine},memory-backend=ram`],
    ...acceleratorArgs(spec, architecture),
    ...["-smp", String(spec.cpus), "-m", `${String(spec.memoryMiB)}M`],
    ...["-object", memory(spec, files.start)],
    ...(files.start === "warm" ? ["-incoming", "defer"] : []),
    ...["-nodefaults", "-no-user-config", "-display", "none"],
    ...["-kernel", `${artefacts}/${files.kernel}`, "-initrd", `${artefacts}/${files.initramfs}`],
    ...["-append", kernelArgs(spec, architecture).join(" ")],
    ...diskArgs("root", `${artefacts}/rootfs.erofs`, true),
    ...diskArgs("identity", `${machine}/identity.tar`, true),
    ...networkArgs(spec, identity.mac, GUEST_SSH_PORT),
    ...["-device", "virtio-rng-pci", "-device", "virtio-serial-pci"],
    ...["-chardev", `pipe,id=agent,path=${machine}/agent`, "-device", "virtserialport,chardev=agent,name=mayfly.agent"],
    ...consoleArgs(),
    ...SANDBOX,
    ...(spec.scratchMiB === undefined ? [] : diskArgs("scratch", `${machine}/scratch.img`, false)),
    ...slotArgs(files.slots),
    ...(files.parts === undefined ? [] : diskArgs("parts", `${artefacts}/${files.parts}`, true)),
    // A device that talks to another process can't be part of a saved state: a warm machine gets it afterwards.
    ...(files.start === "cold" ? [...spec.mounts.flatMap((_, i) => mount(i)), ...identity.seats.flatMap(segment)] : []),
    ...(files.start === "cold" ? attachedDisks(spec).flatMap(attachedArgs) : []),
  ];
}

function kernelArgs({ accelerator: name, kernelArgs: own }: MachineSpec, processor: Architecture): string[] {
  // The labels of an image's files are those of the host that built it, or none: SELinux would forbid what init and sshd do.
  // Who has labels of the guest's own asks for it; libselinux takes the first word on it, not the last.
  const selinux = own.some((arg) => arg.startsWith("enforcing=")) ? [] : ["enforcing=0"];
  const emulated = own.some((arg) => arg.startsWith("cgroup.memory=")) ? EMULATED : [...EMULATED, UNCOUNTED];
  const common = [`console=${processor.console}`, ...KERNEL_ARGS, ...processor.kernelArgs];
  return [...common, ...(name === "tcg" ? emulated : []), ...selinux, ...own];
}

/**
 * What udev would load into each kernel for what its CPU can do: to choose a speed, which an emulated one has not; KVM, which
 * QEMU would have to emulate; and ciphers and sums by instructions for them, which the kernel tries out one by one, for each
 * asking modprobe(8) twice for a part that there is not. That took a fifth of a cold boot, at its end, where a template waits
 * for it. Who wants them in a guest loads them there, by name.
 */
export const NOT_LOADED = [
  ...["kvm_amd", "acpi_cpufreq", "powernow_k8", "pcc_cpufreq"],
  ...["aesni_intel", "ghash_clmulni_intel", "polyval_clmulni", "sha1_ssse3", "sha256_ssse3", "sha512_ssse3"],
  ...["crc32c_intel", "crc32_pclmul", "crct10dif_pclmul"],
];

/**
 * What an emulated CPU does not need: it has no such gaps, and no ciphers in hardware that could be wrong. Its clock need not
 * be compared with another one twice a second, which is a tenth of all that an idle guest does, and takes it for a bad one
 * where the host is busy. Nor need its kernel look twice a second whether its free memory lies in pieces, before anybody wants
 * it whole (vm.compaction_proactiveness): that was a third. Nor has each session to have its own share of the CPU's time
 * (sched(7), autogroup), which is for desktops, and to be set up at each login.
 */
const EMULATED = [
  "mitigations=off",
  `modprobe.blacklist=${NOT_LOADED.join(",")}`,
  "cryptomgr.notests",
  "tsc=nowatchdog",
  "sysctl.vm.compaction_proactiveness=0",
  "noautogroup",
];

/**
 * Without it the kernel, when systemd makes its first cgroup, changes the code by which it allocates memory, while its other
 * CPUs run it: see `isEmulatorsFault`. Cgroups then count their programs' memory, and not what the kernel has for them.
 */
const UNCOUNTED = "cgroup.memory=nosocket,nokmem";

/** The serial console, and QEMU's own control socket. */
export function consoleArgs(): string[] {
  return [
    // What the guest says on its console goes to the container's log, which podman keeps bounded.
    ...["-chardev", `socket,id=console,path=${INSIDE.machine}/console.sock,server=on,wait=off,logfile=/dev/stdout`],
    ...["-serial", "chardev:console", "-qmp", `unix:${INSIDE.machine}/qmp.sock,server=on,wait=off`],
  ];
}

/** What QEMU gives up for good once it runs: a guest that broke into it could start nothing. */
export const SANDBOX = ["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"];

/** By what the guest's instructions are run. */
export function acceleratorArgs(
  { accelerator: name }: Pick<MachineSpec, "accelerator">,
  { emulatedCpu }: Pick<Architecture, "emulatedCpu">,
): string[] {
  return name === "kvm"
    ? ["-accel", "kvm", "-cpu", "host"]
    : ["-accel", `tcg,thread=multi,tb-size=${String(TRANSLATION_CACHE_MIB)}`, "-cpu", emulatedCpu];
}

/** vhost-user devices (virtiofs) read the guest's memory from another process, so it has to be shared then. */
function memory({ memoryMiB, mounts }: MachineSpec, start: Start): string {
  const size = `size=${String(memoryMiB)}M`;
  const file = (path: string, share: "on" | "off") =>
    `memory-backend-file,id=ram,${size},mem-path=${path},share=${share}`;
  if (start === "template") return file(`${INSIDE.template}/${TEMPLATE_FILES.memory}`, "on");
  if (start === "warm") {
    return mounts.length === 0
      ? file(`${INSIDE.template}/${TEMPLATE_FILES.memory}`, "off")
      : file(`${INSIDE.memory}/${TEMPLATE_FILES.memory}`, "on");
  }
  return mounts.length === 0 ? `memory-backend-ram,id=ram,${size}` : `memory-backend-memfd,id=ram,${size},share=on`;
}

/** Files of a template. */
export const TEMPLATE_FILES = {
  /** The guest's memory; sparse. */
  memory: "memory",
  /** State of qemu's devices, in its migration format. */
  state: "state",
  /** The scratch disk, where the machines have one. */
  scratch: "scratch.img",
} as const;

/** The open file that a warm machine's qemu reads its state from; free in any program that a shell starts. */
export const STATE_DESCRIPTOR = 9;

/** The beginning of a warm machine's command: opens the state; copies the memory, holes left out, if it is to be shared. */
function prelude({ mounts }: MachineSpec, start: Start): string[] {
  if (start !== "warm") return [];
  const { template, memory } = INSIDE;
  const copy = `cp --sparse=always ${template}/${TEMPLATE_FILES.memory} ${memory}/${TEMPLATE_FILES.memory}`;
  const open = `exec ${String(STATE_DESCRIPTOR)}<${template}/${TEMPLATE_FILES.state}`;
  return ["sh", "-euc", [...(mounts.length === 0 ? [] : [copy]), open, 'exec "$@"'].join("; "), "mayfly"];
}

/** How many devices a machine can be given while it runs, at least. */
const SLOTS = 8;

/** How many slots a machine gets: its mounts take the first, then come its private networks, and then its disks. */
export function slotCount(spec: Pick<MachineSpec, "mounts" | "segments" | "disks" | "swapMiB">): number {
  const devices = spec.mounts.length + spec.segments.length + attachedDisks(spec).length;
  return Math.max(1, Math.ceil(devices / SLOTS)) * SLOTS;
}

/**
 * The network between qemu and guest; `guest/init.sh` has its addresses. Not QEMU's default 10.0.2.0/24: slirp4netns gives
 * that to the container, and then answers to forwarded connections, which come from there, never leave the guest's side.
 */
const GUEST_NETWORK = "net=10.53.0.0/24,host=10.53.0.2,dns=10.53.0.3,dhcpstart=10.53.0.15,ipv6=off";

/**
 * A machine's first network card. `sshPort` is the guest's. It does not ask the guest to announce itself when a template's
 * clone begins, which takes a fiftieth of a warm start: the clone gets another address, and its kernel tells of that.
 */
export function networkArgs(spec: MachineSpec, mac: string, sshPort: number): string[] {
  const card = `virtio-net-pci,netdev=net,mac=${mac},guest_announce=off,romfile=`;
  return ["-netdev", network(spec, sshPort), "-device", card];
}

function network(spec: MachineSpec, sshPort: number): string {
  const { isolated, ports } = spec;
  const forwards = [
    `hostfwd=tcp::${String(SSH_CONTAINER_PORT)}-:${String(sshPort)}`,
    ...ports.map(
      ({ protocol, guest }, index) => `hostfwd=${protocol}::${String(containerPort(index))}-:${String(guest)}`,
    ),
  ];
  // restrict=on: forwarded connections reach the guest, the guest's own reach nothing.
  return [
    "user",
    "id=net",
    GUEST_NETWORK,
    `restrict=${isolated && !isKeptInByRules(spec) ? "on" : "off"}`,
    ...forwards,
  ].join(",");
}

function mount(index: number): string[] {
  const tag = mountTag(index);
  return [
    ...["-chardev", `socket,id=${tag},path=${mountSocket(index)}`],
    ...["-device", `vhost-user-fs-pci,chardev=${tag},tag=${tag}`],
  ];
}

/** Path in the machine's container of the socket of a mount's virtiofsd. */
export function mountSocket(index: number): string {
  return `${INSIDE.machine}/${mountTag(index)}/socket`;
}

function segment({ mac }: Seat, index: number): string[] {
  const { card, port } = segmentName(index);
  return [
    ...["-netdev", `stream,id=${card},server=on,addr.type=unix,addr.path=${segmentPath(index)}`],
    ...["-device", `virtio-net-pci,netdev=${card},mac=${mac},romfile=`],
    ...["-chardev", `pipe,id=${port},path=${namesPath(index)}`],
    ...["-device", `virtserialport,chardev=${port},name=mayfly.${port}`],
  ];
}

/** What qemu calls a machine's card in its private network number `index`, and the port for that network's names. */
export function segmentName(index: number): { readonly card: string; readonly port: string } {
  return { card: `segment${String(index)}`, port: namesChannel(index) };
}

/** Path in the machine's container of the socket that carries that card's frames. */
export function segmentPath(index: number): string {
  return `${INSIDE.machine}/${segmentSocket(index)}`;
}

/** Path there of the channel for the names, as QEMU's pipe chardev wants it. */
export function namesPath(index: number): string {
  return `${INSIDE.machine}/${namesChannel(index)}`;
}

/**
 * Memory that a machine's container may use beside the guest's own: qemu itself, its translations, its buffers; and the
 * tables of its memory's pages, by the host and by KVM, each an entry of 8 bytes for 4 KiB.
 */
export function overheadMiB({ accelerator: name, memoryMiB }: MachineSpec): number {
  return 256 + Math.ceil(memoryMiB / 256) + (name === "tcg" ? TRANSLATION_CACHE_MIB : 0);
}

/** A path of the host's as part of one of qemu's options, where a comma begins the next part. Pure. */
export function optionPath(path: string): string {
  return path.replaceAll(",", ",,");
}
