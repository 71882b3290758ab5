import { diskPath, slotName, type AttachedDisk } from "./qemu-command";
import type { Qmp } from "./qmp";

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
