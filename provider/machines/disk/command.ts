import { ARCHITECTURES } from "../../architectures";
import { diskArgs } from "../disks";
import { INSIDE } from "../inside";
import { acceleratorArgs, consoleArgs, networkArgs, optionPath, SANDBOX } from "../qemu-command";
import type { Identity, MachineSpec } from "../spec";

/** SSH's own port: the guest has no agent of ours with another one. */
const SSH_PORT = 22;

/** Files in the folder that a disk machine's container shares. */
export const DISK_MACHINE_FILES = {
  /** What the guest has written: a qcow2 over the image's disk. */
  overlay: "disk.qcow2",
  /** The disk that cloud-init reads. */
  seed: "seed.iso",
  /** What systemd reads. */
  credential: "credential",
  /** The firmware's settings, where it is UEFI. */
  settings: "uefi-settings",
  /** What Ignition reads, if there is something. */
  ignition: "ignition.json",
} as const;

/** How a machine finds its loader. */
export interface DiskBootFiles {
  /** Path of the UEFI firmware on the host, whose `/usr` the container has; absent: BIOS, QEMU's own. */
  readonly uefiCode: string | undefined;
  readonly hasIgnition: boolean;
}

/** The machine that has the firmware which disks are booted by; disks for others are refused (images/disk.ts). */
export const PC = ARCHITECTURES.amd64;

/** The command line of a machine that boots from its own disk; pure. */
export function diskCommand(
  name: string,
  spec: MachineSpec,
  { mac, machineId }: Pick<Identity, "mac" | "machineId">,
  { uefiCode, hasIgnition }: DiskBootFiles,
): string[] {
  const inside = (file: string) => `${INSIDE.machine}/${file}`;
  const flash = (file: string, readOnly: boolean) => [
    "-drive",
    `if=pflash,format=raw,readonly=${readOnly ? "on" : "off"},file=${optionPath(file)}`,
  ];
  return [
    PC.qemu,
    ...["-name", name],
    // Without graphics SeaBIOS, and by way of it many a loader, speaks on the serial console.
    ...["-machine", "q35,graphics=off"],
    ...acceleratorArgs(spec, PC),
    ...["-smp", String(spec.cpus), "-m", `${String(spec.memoryMiB)}M`],
    ...["-nodefaults", "-no-user-config", "-display", "none"],
    ...(uefiCode === undefined ? [] : [...flash(uefiCode, true), ...flash(inside(DISK_MACHINE_FILES.settings), false)]),
    ...["-uuid", asUuid(machineId)], // systemd makes a new machine-id of it where the image has none
    ...["-smbios", `type=11,path=${inside(DISK_MACHINE_FILES.credential)}`],
    ...["-drive", `if=none,id=root,file=${inside(DISK_MACHINE_FILES.overlay)},format=qcow2,discard=unmap`],
    ...["-device", "virtio-blk-pci,drive=root,serial=mayfly-root,bootindex=0", "-boot", "strict=on"],
    ...diskArgs("seed", inside(DISK_MACHINE_FILES.seed), true),
    ...(hasIgnition ? ["-fw_cfg", `name=opt/com.coreos/config,file=${inside(DISK_MACHINE_FILES.ignition)}`] : []),
    ...networkArgs(spec, mac, SSH_PORT),
    ...["-device", "virtio-rng-pci"],
    ...consoleArgs(),
    ...SANDBOX,
  ];
}

function asUuid(hex: string): string {
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
