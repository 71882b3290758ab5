import { z } from "zod";
import { size, text } from "./fields";
import type { Complain } from "./rule";

// What a VM may be given beside what its image has: disks, swap, units for its systemd, labels.

/** A virtio-blk disk can say twenty bytes of a name: QEMU's VIRTIO_BLK_ID_BYTES. Mayfly's own disks begin with `mayfly-`. */
const DISK_NAME = /^(?!mayfly-)[A-Za-z0-9][A-Za-z0-9._-]{0,19}$/;

/** A file of the host that the guest sees as a disk. */
const disk = z.strictObject({
  /** A file on the host, yours; a relative path starts at the program's folder. Must exist at `up`, and stays afterwards. */
  source: text,
  /** By which the guest finds it: `/dev/disk/by-id/virtio-NAME`. Letters, digits, `.`, `_`, `-`; at most 20. */
  name: z
    .string()
    .regex(DISK_NAME, 'must be letters, digits, ".", "_" or "-", at most 20, and not begin with "mayfly-"'),
  /** What is in the file. A qcow2 file that has a backing file is refused. @default "raw" */
  format: z.enum(["raw", "qcow2"], 'must be "raw" or "qcow2"').default("raw"),
  /** The guest can read but not write. Without it no other VM can have the file. @default false */
  readOnly: z.boolean().default(false),
});

/** Files of the host as disks. */
export const disks = z.array(disk).max(16, "must be at most 16 disks");

/** Disks of one name; a rule of the schema. */
export function checkDisks(
  { disks: files }: { readonly disks: readonly { readonly name: string }[] },
  complain: Complain,
): void {
  files.forEach(({ name }, index) => {
    if (files.findIndex((other) => other.name === name) !== index)
      complain(["disks", index, "name"], `"${name}" is the name of two disks`);
  });
}

/** Size of a disk to swap to, in MiB. */
export const swap = size.refine((mib) => mib >= 16, "must be at least 16MiB").optional();

const LABEL = /^(?!mayfly(?:\.|$))[A-Za-z0-9][A-Za-z0-9._/-]*$/;

/** Labels of containers. */
export const labels = z.record(
  z.string().regex(LABEL, 'must be letters, digits, ".", "_", "-" or "/", and not begin with "mayfly"'),
  z.string().regex(/^[^\n\r\0]*$/, "must be one line"),
);

/** `app.service`, or a drop-in: `app.service.d/more.conf`. */
const UNIT_NAME =
  /^[\w@:.\\-]+\.(?:service|socket|timer|mount|automount|path|target|slice|swap)(?:\.d\/[\w.-]+\.conf)?$/;

const MAX_UNITS = 262_144; // the disk that they travel on holds a mebibyte

/** Units of systemd by their file's name. */
export const systemdUnits = z
  .record(
    z
      .string()
      .max(80)
      .regex(UNIT_NAME, 'must be the name of a unit\'s file, such as "app.service" or "app.service.d/more.conf"'),
    z.string(),
  )
  .refine(
    (units) => Object.values(units).reduce((sum, unit) => sum + Buffer.byteLength(unit), 0) <= MAX_UNITS,
    `must not be over ${String(MAX_UNITS / 1_024)} KiB together: put the files that they need elsewhere`,
  );
