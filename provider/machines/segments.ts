import { namesPath, segmentName, segmentPath } from "./qemu-command";
import { slotName } from "./slots";
import type { Qmp } from "./qmp";
import type { Seat } from "./seats";

// A machine's places in private networks. Each is a network card whose frames go over a unix socket in the machine's own
// folder, and a virtio-serial port over which the guest hears the network's names (guest/names.sh).
//
// qemu listens and the network's switch connects, not the other way round. So no container sees anything of another's, and
// a machine goes on when the switch dies: qemu listens anew, and takes the next one. (As a client, it would not connect
// again before QEMU 8.0.)

/**
 * Gives a machine that runs its place in a network. The guest sees the new devices a moment later.
 *
 * @param slot The empty slot that the card goes into.
 */
export async function plugSegment(
  qmp: Qmp,
  index: number,
  { mac }: Seat,
  slot: number,
  signal: AbortSignal,
): Promise<void> {
  const { card, port } = segmentName(index);
  const addr = { type: "unix", path: segmentPath(index) };
  await qmp.execute("netdev_add", { type: "stream", id: card, server: true, addr }, signal);
  const device = { driver: "virtio-net-pci", id: card, netdev: card, mac, bus: slotName(slot), romfile: "" };
  await qmp.execute("device_add", device, signal);
  const backend = { type: "pipe", data: { device: namesPath(index) } };
  await qmp.execute("chardev-add", { id: port, backend }, signal);
  await qmp.execute(
    "device_add",
    { driver: "virtserialport", id: port, chardev: port, name: `mayfly.${port}` },
    signal,
  );
}
