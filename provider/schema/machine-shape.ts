import { z } from "zod";
import { size, text } from "./fields";

// What a VM and the template that it starts from must agree on, beside the image.

const CPUS_WANTED = "must be a whole number of CPUs, from 1 to 64";

/** Number of virtual CPUs. */
export const cpus = z.int(CPUS_WANTED).min(1, CPUS_WANTED).max(64, CPUS_WANTED).default(2);

/** Memory of a guest, in MiB. */
export const memory = size
  .refine((mib) => mib >= 128, "must be at least 128MiB: less does not boot a Linux system")
  .default(1_024);

/** Size of a scratch disk, in MiB. */
export const disk = size.refine((mib) => mib >= 64, "must be at least 64MiB").optional();

/** Arguments for the kernel. */
export const kernelArgs = z.array(text.regex(/^\S+$/, "must be one kernel argument without blanks")).default([]);
