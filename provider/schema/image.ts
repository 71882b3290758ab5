import { z } from "zod";
import { imageName, text } from "./fields";

/** A Debian root filesystem made from Debian's own packages; needs no container registry. */
const debian = z.strictObject({
  /** `bookworm`, `trixie`, `sid`… @default "bookworm" */
  suite: text.regex(/^[a-z][a-z0-9-]*$/, "must be the name of a Debian suite, such as bookworm").default("bookworm"),
  /** Packages beside systemd, openssh-server, sudo, rsync and the cloud kernel. @default [] */
  packages: z.array(text.regex(/^[a-z0-9][a-z0-9+.-]+$/, "must be the name of a Debian package")).default([]),
});

/** Inputs of {@link Image}: exactly one source. */
export const imageSchema = z
  .strictObject({
    /** An OCI image by name; pulled when podman's store lacks it. */
    reference: imageName.optional(),
    /** Debian from its packages. */
    debian: debian.optional(),
  })
  .superRefine((image, context) => {
    if ((image.reference === undefined) === (image.debian === undefined))
      context.addIssue({ code: "custom", path: ["reference"], message: "set exactly one of reference and debian" });
  });

/** What a program may write. */
export type ImageInputs = z.input<typeof imageSchema>;
/** Checked, defaults filled in. */
export type ImageSpec = z.output<typeof imageSchema>;
