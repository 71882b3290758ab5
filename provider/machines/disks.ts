import { INSIDE } from "./inside";
import type { Qmp } from "./qmp";
import { slotName } from "./slots";
import type { MachineSpec } from "./spec";

/** A disk out of a file, with a serial number by which the guest knows it. */
export function diskArgs(
  name: string,
  file: string,
  readOnly: boolean,
  { format, serial }: DiskLook = ownDisk(name),
): string[] {
  const options = readOnly ? "readonly=on" : "discard=unmap,detect-zeroes=unmap";
  return [
    ...["-drive", `if=none,id=${name},file=${file},format=${format},${options}`],
    ...["-device", `virtio-blk-pci,drive=${name},serial=${serial}`],
  ];
}

/** What is in a disk's file, and what the guest knows it by. */
type DiskLook = Pick<AttachedDisk, "format" | "serial">;

function ownDisk(name: string): DiskLook {
  return { format: "raw", serial: `mayfly-${name}` };
}

/** A disk that has nothing to do with the guest's root, and is not part of a template. */
export interface AttachedDisk {
  /** What qemu calls it, and the name of its file in the machine's folder. */
  readonly node: string;
  /** What the guest knows it by. */
  readonly serial: string;
  readonly format: "raw" | "qcow2";
  readonly readOnly: boolean;
}

/** Serial number of the disk to swap to; `guest/mount-all.sh` has it too. */
const SWAP_SERIAL = "mayfly-swap";
/** Its file, in the machine's folder. */
export const SWAP = "swap";

/** A machine's disks of this kind: the declared ones in their order, then the one to swap to. */
export function attachedDisks({ disks, swapMiB }: Pick<MachineSpec, "disks" | "swapMiB">): readonly AttachedDisk[] {
  const declared = disks.map(({ name: serial, format, readOnly }, index) => {
    return { node: diskFile(index), serial, format, readOnly };
  });
  if (swapMiB === undefined) return declared;
  return [...declared, { node: SWAP, serial: SWAP_SERIAL, format: "raw", readOnly: false }];
}

/** Name of the file in a machine's folder behind which the declared disk number `index` is. */
export function diskFile(index: number): string {
  return `disk${String(index)}`;
}

/** Path in the machine's container of a disk's file. */
export function diskPath(node: string): string {
  return `${INSIDE.machine}/${node}`;
}

/** The disk as qemu's arguments, for a machine that boots through its kernel. */
export function attachedArgs({ node, readOnly, ...look }: AttachedDisk): string[] {
  return diskArgs(node, diskPath(node), readOnly, look);
}

/**
 * Gives a machine that runs a further disk. The guest sees the new device a moment later.
 *
 * @param slot The empty slot that it goes into.
 */
export async function plugDisk(
  qmp: Qmp,
  { node, serial, format, readOnly }: AttachedDisk,
  slot: number,
  signal: AbortSignal,
): Promise<void> {
  const file = { driver: "file", filename: diskPath(node) };
  const frees = readOnly ? {} : { discard: "unmap", "detect-zeroes": "unmap" };
  const backend = { driver: format, "node-name": node, "read-only": readOnly, ...frees, file };
  await qmp.execute("blockdev-add", backend, signal);
  const device = { driver: "virtio-blk-pci", id: node, drive: node, serial, bus: slotName(slot) };
  await qmp.execute("device_add", device, signal);
}
