import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Podman } from "../../provider/host/podman";
import { run } from "../../provider/host/run";
import type { Images } from "../../provider/images/images";
import { WITH_IMAGE } from "../../provider/images/mounted";
import { NOT_LOADED } from "../../provider/machines/qemu-command";
import { imageSchema } from "../../provider/schema/image";

/** Packages of a Debian that boots by itself, those that make a disk of it, and both readers of what a user gives. */
export const PACKAGES = [
  ...["initramfs-tools", "cloud-init", "ignition"],
  ...["syslinux", "syslinux-common", "systemd-boot-efi", "mtools", "fdisk"],
];

/** A guest that finds its disk and its network; with an initramfs of nothing but virtio. */
const BOOTABLE = `
RUN mkdir -p /etc/initramfs-tools/conf.d && echo MODULES=list >/etc/initramfs-tools/conf.d/test && \\
  printf 'virtio_pci\\nvirtio_blk\\n' >/etc/initramfs-tools/modules && \\
  mkinitramfs -o /boot/initrd "$(ls /usr/lib/modules)"
RUN echo 'LABEL=root / ext4 defaults 0 1' >/etc/fstab && \\
  printf '[Match]\\nName=en* eth*\\n[Network]\\nDHCP=ipv4\\n' >/etc/systemd/network/all.network && \\
  systemctl enable systemd-networkd.service && systemctl disable systemd-timesyncd.service dpkg-db-backup.timer
`;

/**
 * So that each guest has but one reader of its identity: this one has cloud-init, without the parts that only take their
 * time, and does not ask systemd.
 */
const BY_CLOUD_INIT = `
RUN mkdir -p /etc/systemd/system/systemd-tmpfiles-setup.service.d && \\
  printf '[Service]\\nLoadCredential=\\n' >/etc/systemd/system/systemd-tmpfiles-setup.service.d/test.conf && \\
  printf '%s\\n' 'datasource_list: [NoCloud]' 'network: {config: disabled}' 'cloud_config_modules: []' \\
    'cloud_init_modules: [write-files, users-groups, ssh]' 'cloud_final_modules: []' >/etc/cloud/cloud.cfg.d/test.cfg
`;
const BY_SYSTEMD = "\nRUN touch /etc/cloud/cloud-init.disabled\n";

/** In a container of the image; `/out` gets a disk by loader, each with a first partition to boot from. */
const LOADERS = `
export MTOOLS_SKIP_CHECK=1
cd /out
# norandmaps: see serve in provider/guest/agent.sh. no_timer_check: on a busy host a kernel under emulation may find that its timer does not work.
options='root=LABEL=root ro quiet console=ttyS0 mitigations=off norandmaps no_timer_check cryptomgr.notests modprobe.blacklist=${NOT_LOADED.join(",")}'
for kind in bios uefi; do
  truncate -s 48M $kind.fat
  mformat -i $kind.fat -F ::
  mcopy -i $kind.fat /boot/vmlinuz-* ::/vmlinuz
  mcopy -i $kind.fat /boot/initrd ::/initrd
  truncate -s 850M $kind.raw
done
printf 'DEFAULT linux\\nLABEL linux\\nLINUX vmlinuz\\nINITRD initrd\\nAPPEND %s\\n' "$options" | mcopy -i bios.fat - ::/syslinux.cfg
syslinux --install bios.fat
printf 'label: dos\\nstart=2048, size=98304, type=c, bootable\\ntype=83\\n' | sfdisk --quiet bios.raw
dd if=/usr/lib/syslinux/mbr/mbr.bin of=bios.raw conv=notrunc status=none
mmd -i uefi.fat ::/EFI ::/EFI/BOOT ::/loader ::/loader/entries
mcopy -i uefi.fat /usr/lib/systemd/boot/efi/systemd-bootx64.efi ::/EFI/BOOT/BOOTX64.EFI
printf 'linux /vmlinuz\\ninitrd /initrd\\noptions %s\\n' "$options" | mcopy -i uefi.fat - ::/loader/entries/debian.conf
printf 'label: gpt\\nstart=2048, size=98304, type=uefi\\ntype=linux\\n' | sfdisk --quiet uefi.raw
for kind in bios uefi; do
  dd if=$kind.fat of=$kind.raw bs=1M seek=1 conv=notrunc,sparse status=none
  rm $kind.fat
done
`;

/** The image `$1` as the second partition of the disk `$2/$3.raw`, which becomes `$2/$3.qcow2`. */
const ROOT = `${WITH_IMAGE}
mke2fs -q -t ext4 -L root -d "$root" "$2/root.ext4" 799M >/dev/null
dd if="$2/root.ext4" of="$2/$3.raw" bs=1M seek=49 conv=notrunc,sparse status=none
rm "$2/root.ext4"
qemu-img convert -f raw -O qcow2 "$2/$3.raw" "$2/$3.qcow2"
rm "$2/$3.raw"
`;

/** Disks that boot by their own loader, as paths. */
export interface BootDisks {
  /** MBR and syslinux; its guest reads its identity by cloud-init. */
  readonly bios: string;
  /** GPT and systemd-boot; its guest reads its identity by systemd. */
  readonly uefi: string;
}

/** Of how many recipes the disks are kept on this machine. */
const RECIPES = 2;

/** Makes the disks from Debian's packages, unless that was done by the same recipe: some two minutes. */
export async function makeBootDisks(images: Images, podman: Podman, signal: AbortSignal): Promise<BootDisks> {
  const recipe = JSON.stringify([PACKAGES, BOOTABLE, BY_CLOUD_INIT, BY_SYSTEMD, LOADERS, ROOT]);
  const { keepOnly, keptPlace } = await import("../../scripts/test/kept.mjs");
  const place = join(keptPlace(), "boot-disks");
  const folder = join(place, createHash("sha256").update(recipe).digest("hex").slice(0, 16));
  const disks = { bios: join(folder, "bios.qcow2"), uefi: join(folder, "uefi.qcow2") };
  if (existsSync(folder)) return disks;
  const say = () => undefined;
  const base = await images.debian({ suite: "bookworm", packages: PACKAGES }, signal, say);
  const draft = await mkdtemp(join(tmpdir(), "mayfly-boot-disks-"));
  try {
    const build = async (text: string) => {
      const { containerfile } = imageSchema.parse({ containerfile: { text: `FROM ${base}${text}` } });
      if (containerfile === undefined) throw new Error("no Containerfile");
      return images.containerfile(containerfile, signal, say);
    };
    const guests = { bios: await build(BOOTABLE + BY_CLOUD_INIT), uefi: await build(BOOTABLE + BY_SYSTEMD) };
    const container = ["run", "--rm", "--network", "none", "--volume", `${draft}:/out`, guests.bios];
    await podman.run([...container, "sh", "-euc", LOADERS], { signal });
    for (const [kind, image] of Object.entries(guests)) await podman.script(ROOT, [image, draft, kind], { signal });
    await podman.run(["rmi", "--force", ...Object.values(guests)], { signal }); // the base is also a VM's own image
    await mkdir(place, { recursive: true });
    await run("cp", ["-r", "--sparse=always", draft, `${folder}.${String(process.pid)}`], { signal });
    await rename(`${folder}.${String(process.pid)}`, folder);
    keepOnly(place, RECIPES);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return disks;
}
