import { expect, test } from "@jest/globals";
import { newestKernel } from "../../../provider/images/look";
import { missingDrivers, modulesInOrder } from "../../../provider/images/kernel-modules";

const DEP = `kernel/drivers/block/virtio_blk.ko: kernel/drivers/virtio/virtio_ring.ko kernel/drivers/virtio/virtio.ko
kernel/fs/erofs/erofs.ko.xz: kernel/lib/libcrc32c.ko.xz
kernel/drivers/virtio/virtio_ring.ko: kernel/drivers/virtio/virtio.ko
kernel/fs/unused.ko:
`;

test("what a module needs is loaded before it, each once", () => {
  expect(modulesInOrder(DEP, ["virtio_blk", "erofs", "built_in"])).toEqual([
    "kernel/drivers/virtio/virtio.ko",
    "kernel/drivers/virtio/virtio_ring.ko",
    "kernel/drivers/block/virtio_blk.ko",
    "kernel/lib/libcrc32c.ko.xz",
    "kernel/fs/erofs/erofs.ko.xz",
  ]);
});

test("of several kernels the newest is booted, by number and not by letter", () => {
  const lines =
    "init sbin/init\nkernel 6.1.0-9 boot/vmlinuz-6.1.0-9 m/6.1.0-9\nkernel 6.1.0-50 boot/vmlinuz-6.1.0-50 m/6.1.0-50";
  expect(newestKernel(lines)?.version).toBe("6.1.0-50");
});

test("an image without a kernel has none", () => {
  expect(newestKernel("init sbin/init\n")).toBeUndefined();
});

test("a kernel without a machine's drivers is known by its lists; what it has built in counts", () => {
  expect(missingDrivers(DEP, "kernel/fs/overlayfs/overlay.ko\n")).toEqual(["virtio_pci"]);
  expect(missingDrivers(DEP, "kernel/fs/overlayfs/overlay.ko\nkernel/drivers/virtio/virtio_pci.ko\n")).toEqual([]);
});
