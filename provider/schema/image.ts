import { z } from "zod";
import { imageName, text } from "./fields";
import { cpus, disk, kernelArgs, memory } from "./machine-shape";

/** A Debian root filesystem made from Debian's own packages; needs no container registry. */
const debian = z.strictObject({
  /** `bookworm`, `trixie`, `sid`… @default "bookworm" */
  suite: text.regex(/^[a-z][a-z0-9-]*$/, "must be the name of a Debian suite, such as bookworm").default("bookworm"),
  /** Packages beside systemd, openssh-server, sudo, rsync, ping and the cloud kernel. @default [] */
  packages: z.array(text.regex(/^[a-z0-9][a-z0-9+.-]+$/, "must be the name of a Debian package")).default([]),
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
    /** Debian from its packages. */
    debian: debian.optional(),
    /**
     * Make the templates of these sizes of VM at `up`, so that already the first VM of each starts warm. Fails with
     * `NO_TEMPLATE` where the guest cannot be one. @default [] and made by the first VM that wants one
     */
    warm: z.array(warmShape).default([]),
  })
  .superRefine((image, context) => {
    if ((image.reference === undefined) === (image.debian === undefined))
      context.addIssue({ code: "custom", path: ["reference"], message: "set exactly one of reference and debian" });
  });

/** What a program may write. */
export type ImageInputs = z.input<typeof imageSchema>;
/** Checked, defaults filled in. */
export type ImageSpec = z.output<typeof imageSchema>;
