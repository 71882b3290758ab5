import type { ContainerImages, Contents } from "../../tests/support/container-images";
import type { BootDisks } from "../../tests/support/boot-disks";
import type { Engine } from "../engine";
import { makeDebianRoot } from "./debian-root";
import type { Run } from "./run";

/** Fields of a resource. */
export type Fields = Readonly<Record<string, unknown>>;

/** What guests are made with. */
export interface Maker {
  readonly engine: Engine;
  readonly workshop: Run;
  readonly images: ContainerImages;
  /** Disk images with boot loaders of their own. */
  readonly disks: () => Promise<BootDisks>;
  /** Images that podman had before: they stay. */
  readonly before: ReadonlySet<string>;
}

/** A guest to be tried. */
export interface Guest {
  /** By which it is chosen: `npm run guests -- openrc`. */
  readonly name: string;
  /** What its image is, for people. */
  readonly what: string;
  /** Makes its image; returns the fields of its VM. */
  readonly make: (maker: Maker) => Promise<Fields>;
}

const KERNEL = "linux-image-cloud-amd64";
const BUSYBOX = "/usr/bin/busybox";
const MUSL = "/lib/ld-musl-x86_64.so.1";
/** What of a Debian with systemd a container image lacks. */
const MACHINE_PARTS = ["boot", "usr/lib/modules", "usr/sbin/sshd", "etc/ssh", "usr/lib/systemd/system/ssh*"];

/** Homes and local programs below /var, where an update keeps them; made at each boot, as in bootc's images. */
const BOOTC_HOMES = `
mv /home /var/home
mv /root /var/roothome
mv /srv /var/srv
mkdir -p /sysroot/ostree
ln -s sysroot/ostree /ostree
for name in home srv; do ln -s var/$name /$name; done
ln -s var/roothome /root
cat >/usr/lib/tmpfiles.d/homes.conf <<LINES
d /var/home 0755 root root -
d /var/srv 0755 root root -
d /var/roothome 0700 root root -
LINES
rm -rf /var/home /var/roothome /var/srv
`;

const BOOTC = `
version=$(ls /usr/lib/modules)
mv /boot/vmlinuz-$version /usr/lib/modules/$version/vmlinuz
echo "not for us" >/usr/lib/modules/$version/initramfs.img
rm -rf /boot/*
${BOOTC_HOMES}`;

/** Files without labels, as in any image that was not made on a host with SELinux. */
const SELINUX = "sed -i s/^SELINUX=.*/SELINUX=enforcing/ /etc/selinux/config";

const UKI = `
version=$(ls /usr/lib/modules)
echo "not for us" >/tmp/initramfs.img
mkdir -p /boot/EFI/Linux
ukify build --linux=/boot/vmlinuz-$version --initrd=/tmp/initramfs.img --uname=$version --output=/boot/EFI/Linux/$version.efi
rm /boot/vmlinuz-$version
${BOOTC_HOMES}`;

function busybox(more: Contents["files"] = {}): Contents {
  const applets = ["sh", "cat", "ls"].map((name) => [`bin/${name}`, "busybox"] as const);
  return { files: { "bin/busybox": { from: BUSYBOX }, ...more }, links: Object.fromEntries(applets) };
}

const BUSYBOX_INIT: Contents = {
  files: {
    ...busybox().files,
    "etc/inittab": "::sysinit:/bin/mount -t tmpfs -o mode=755 run /run\n::shutdown:/bin/umount -a -r\n",
  },
  links: {
    ...busybox().links,
    ...Object.fromEntries(["mount", "umount"].map((name) => [`bin/${name}`, "busybox"])),
    ...Object.fromEntries(["init", "reboot", "poweroff"].map((name) => [`sbin/${name}`, "../bin/busybox"])),
  },
};

/** All of them. */
export const GUESTS: readonly Guest[] = [
  debian("debian-13", "Debian 13", "trixie"),
  debian("debian-12", "Debian 12", "bookworm"),
  debian("debian-11", "Debian 11", "bullseye"),
  debian("debian-sid", "Debian sid", "sid"),
  root("sysvinit", "Debian 12 with sysvinit", ["sysvinit-core", "sysv-rc", "udev", "openssh-server", KERNEL]),
  root("openrc", "Debian 12 with OpenRC", ["sysvinit-core", "openrc", "udev", "openssh-server", KERNEL]),
  root("debian-container", "Debian 12 as a container has it: no kernel, init or SSH server", []),
  {
    name: "systemd-container",
    what: "Debian 12, a container with systemd",
    make: async (maker) => ({
      image: await maker.images.without("systemd", await imageOf(maker, { debian: {} }), MACHINE_PARTS, []),
      waitFor: "systemd",
    }),
  },
  {
    name: "busybox",
    what: "busybox and nothing else",
    make: async ({ images }) => ({ image: await images.make("busybox", busybox()), memory: "256MiB" }),
  },
  {
    name: "busybox-init",
    what: "busybox, which is the init as well, with an inittab of its own",
    make: async ({ images }) => ({ image: await images.make("busybox-init", BUSYBOX_INIT), memory: "256MiB" }),
  },
  {
    name: "musl",
    what: "busybox and musl's C library, whose loader is its entrypoint",
    make: async ({ images }) => ({
      image: await images.make("musl", {
        ...busybox({ [MUSL.slice(1)]: { from: MUSL } }),
        config: [`ENTRYPOINT ["${MUSL}", "--version"]`],
      }),
      memory: "256MiB",
    }),
  },
  {
    name: "static",
    what: "a static program, no shell, no accounts: a web server",
    make: async ({ images }) => ({
      image: await images.make("static", {
        files: { "busybox-server": { from: BUSYBOX }, "www/index.html": "from a single file\n" },
        config: [`CMD ["/busybox-server", "httpd", "-f", "-p", "8080", "-h", "/www"]`],
      }),
      memory: "256MiB",
    }),
  },
  built("bootc", "laid out as bootc's images: kernel beside its modules, homes below /var", { debian: {} }, BOOTC),
  built(
    "bootc-uki",
    "the same, kernel and initramfs in a unified kernel image (Debian 13, ukify)",
    { debian: { suite: "trixie", packages: ["systemd-ukify", "systemd-boot-efi"] } },
    UKI,
  ),
  disk("disk-bios", "a disk image (qcow2) of Debian 12: BIOS, MBR, syslinux; its identity by cloud-init", "bios"),
  disk("disk-uefi", "a disk image (qcow2) of Debian 12: UEFI, GPT, systemd-boot; its identity by systemd", "uefi"),
  {
    name: "arm64",
    what: "Debian 12 for arm64, emulated",
    make: async (maker) => ({ image: await imageOf(maker, { debian: {}, architecture: "arm64" }) }),
  },
  {
    name: "arm64-busybox",
    what: "busybox for arm64 and nothing else, emulated",
    make: async (maker) => {
      const debian = await imageOf(maker, { debian: {}, architecture: "arm64" });
      const text = `FROM scratch\nCOPY --from=${debian} /usr/bin/busybox /bin/sh\n`;
      return { image: await imageOf(maker, { containerfile: { text }, architecture: "arm64" }), memory: "256MiB" };
    },
  },
  {
    name: "selinux",
    what: "Debian 12 with SELinux set to enforcing, and files that have no labels",
    make: async (maker) => ({
      ...(await built("", "", { debian: { packages: ["selinux-policy-default"] } }, SELINUX).make(maker)),
      kernelArgs: ["security=selinux", "selinux=1"],
    }),
  },
];

/** A Debian that is a whole machine, from `Image.debian`. */
function debian(name: string, what: string, suite: string): Guest {
  return { name, what, make: async (maker) => ({ image: await imageOf(maker, { debian: { suite } }) }) };
}

/** A Debian 12 of other packages. */
function root(name: string, what: string, packages: readonly string[]): Guest {
  return {
    ...{ name, what },
    make: async ({ workshop, images }) => ({
      image: await makeDebianRoot(workshop, images, name, { suite: "bookworm", packages }),
    }),
  };
}

/** What a Containerfile makes of an image; `script` is a RUN of it. */
function built(name: string, what: string, from: Fields, script: string): Guest {
  return {
    ...{ name, what },
    make: async (maker) => {
      const text = `FROM ${await imageOf(maker, from)}\nRUN ${JSON.stringify(["sh", "-euc", script])}\n`;
      return { image: await imageOf(maker, { containerfile: { text } }) };
    },
  };
}

/** A disk that boots by its own loader. */
function disk(name: string, what: string, kind: keyof BootDisks): Guest {
  return {
    ...{ name, what },
    make: async ({ engine, disks }) => ({
      image: (await engine.create("Image", { disk: (await disks())[kind] })).outs["imageName"],
    }),
  };
}

/** Has the resource Image make one; returns its name. */
export async function imageOf({ engine, images, before, workshop }: Maker, fields: Fields): Promise<string> {
  const name = String((await engine.create("Image", fields)).outs["imageName"]);
  if (before.has(name)) return name;
  images.adopt(name);
  workshop.note(name);
  return name;
}
