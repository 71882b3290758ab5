import { z } from "zod";
import { architecture } from "./architecture";
import { imageName, text } from "./fields";
import { cpus, disk, kernelArgs, memory } from "./machine-shape";

/** A Debian root filesystem made from Debian's own packages; needs no container registry. */
const debian = z.strictObject({
  /** `bookworm`, `trixie`, `sid`… @default "bookworm" */
  suite: text.regex(/^[a-z][a-z0-9-]*$/, "must be the name of a Debian suite, such as bookworm").default("bookworm"),
  /** Packages beside systemd, openssh-server, sudo, rsync, ping and the cloud kernel. @default [] */
  packages: z.array(text.regex(/^[a-z0-9][a-z0-9+.-]+$/, "must be the name of a Debian package")).default([]),
});

/** A Containerfile (or Dockerfile) that podman builds. */
const containerfile = z
  .strictObject({
    /** The file, absolute or from the program's folder. Exactly one of `path` and `text`. */
    path: text.optional(),
    /** Its text. */
    text: text.optional(),
    /**
     * The folder that COPY and ADD take from. Of it counts what its `.containerignore` or `.dockerignore` does not leave
     * out. @default the folder of `path`; of a `text` an empty one
     */
    context: text.optional(),
    /**
     * Values for ARG. Not for secrets: the image's history keeps them, and other users of this host see them while it is
     * built. @default {}
     */
    buildArgs: z
      .record(
        z.string().regex(/^[A-Za-z_]\w*$/, "must be the name of an ARG: letters, digits and _, no digit first"),
        z.string("must be a text"),
        "must be values by the name of their ARG",
      )
      .default({}),
    /** The stage to build, by its name or number. @default the last one */
    target: text.optional(),
  })
  .superRefine(({ path, text }, context) => {
    if ((path === undefined) === (text === undefined))
      context.addIssue({ code: "custom", path: ["path"], message: "set exactly one of path and text" });
  });

/** A size of VM to have a template for; the fields are those of a VM, with its defaults. */
const warmShape = z.strictObject({
  /** Virtual CPUs. @default 2 */
  cpus,
  /** Memory: `"512MiB"`, `"2GiB"`, or a number of MiB. @default "1GiB" */
  memory,
  /** Scratch disk. @default none */
  disk,
  /** Added to the kernel's command line. @default [] */
  kernelArgs,
});

/** Inputs of {@link Image}: exactly one source. */
export const imageSchema = z
  .strictObject({
    /**
     * An OCI image by name; pulled when podman's store lacks it. A kernel, an init and an SSH server are lent to it where it
     * has none: container images boot as well, and run their entrypoint.
     */
    reference: imageName.optional(),
    /**
     * When the registry is asked: `missing`, when podman's store lacks the image; `never`; `always`, at each `preview` and
     * `up`: that `:latest` has moved then shows as a replace, and `imageName` is pinned to the digest. For `reference`
     * only. @default "missing"
     */
    pullPolicy: z.enum(["missing", "always", "never"], 'must be "missing", "always" or "never"').default("missing"),
    /** Debian from its packages. */
    debian: debian.optional(),
    /**
     * The processor that the image is for: `amd64` or `arm64`. Its VMs have that processor; on a host with another one they
     * are emulated, ten times slower than with KVM, which needs QEMU for it (Debian: `qemu-system-arm`, `qemu-system-x86`).
     * To make such an image of packages takes `qemu-user-static` and `arch-test` as well, and so does lending a kernel or an
     * SSH server to one. Of a `reference` that form is pulled, and `imageName` is pinned to its digest. Not for `disk`, whose
     * VMs are `amd64`. @default this host's; of a `reference` whatever podman's store has, of a `containerfile` its base's
     */
    architecture: architecture.optional(),
    /**
     * Built by podman, and built anew when its text, its context or its arguments changed. A base image that has moved is no
     * change: name it by tag or digest. Fails with `BUILD_FAILED`.
     */
    containerfile: containerfile.optional(),
    /**
     * A tar of a root filesystem, plain or packed by gzip, xz, zstd or bzip2: a path on this host, absolute or from the
     * program's folder. Another content is another image.
     */
    rootfs: text.optional(),
    /**
     * A disk with a boot loader and a system on it, as qcow2 or raw: a path on this host, absolute or from the program's
     * folder. The file is copied into the cache, and never written to; another content is another image. Its VMs boot by
     * its own loader and kernel, each on a disk that begins as this one. The guest is made a VM's own by cloud-init
     * (NoCloud), or by systemd 252 and newer: it needs one of them, an SSH server, and virtio drivers. Fails with
     * `IMAGE_NOT_BOOTABLE`.
     */
    disk: text.optional(),
    /**
     * By what a `disk` boots. `auto` looks: BIOS where it has code in its boot sector, else UEFI where it has an EFI system
     * partition. `uefi` needs the package `ovmf`. For `disk` only. @default "auto"
     */
    firmware: z.enum(["auto", "bios", "uefi"], 'must be "auto", "bios" or "uefi"').default("auto"),
    /**
     * Make the templates of these sizes of VM at `up`, so that already the first VM of each starts warm. Fails with
     * `NO_TEMPLATE` where the guest cannot be one. @default [] and made by the first VM that wants one
     */
    warm: z.array(warmShape).default([]),
    /** Names the content of the source that is to be had now. Found by ourselves; not for programs. */
    sourceHash: text.optional(),
  })
  .superRefine(({ pullPolicy, firmware, warm, architecture: processor, ...image }, context) => {
    const refuseIf = (isWrong: boolean, field: string, message: string) => {
      if (isWrong) context.addIssue({ code: "custom", path: [field], message });
    };
    const sources = SOURCES.filter((source) => image[source] !== undefined);
    refuseIf(sources.length !== 1, "reference", `set exactly one of ${SOURCES.join(", ")}`);
    const { reference } = image;
    refuseIf(pullPolicy !== "missing" && reference === undefined, "pullPolicy", "is for reference only");
    refuseIf(firmware !== "auto" && image.disk === undefined, "firmware", "is for disk only");
    refuseIf(
      warm.length > 0 && image.disk !== undefined,
      "warm",
      "can't be: VMs of a disk image boot by its own loader",
    );
    refuseIf(
      processor !== undefined && image.disk !== undefined,
      "architecture",
      "can't be: VMs of a disk image are amd64",
    );
    const isLocal = reference?.startsWith("localhost/") ?? false;
    refuseIf(pullPolicy === "always" && isLocal, "pullPolicy", `can't be "always": no registry has localhost/…`);
  });

/** Where an image comes from. */
const SOURCES = ["reference", "debian", "containerfile", "rootfs", "disk"] as const;

/** What a program may write. */
export type ImageInputs = z.input<typeof imageSchema>;
/** Checked, defaults filled in. */
export type ImageSpec = z.output<typeof imageSchema>;
