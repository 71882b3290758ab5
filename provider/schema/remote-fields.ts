import { posix } from "node:path";
import { z } from "zod";
import { connection, text } from "./fields";
import { filledFrom } from "./filled-from";

/** Where a thing that works over SSH has to go; `sdk/on-vm.ts` fills it from a VM. */
export const target = {
  /** Where to connect. Secret where it holds something to log in with, which with `vm` it does not. */
  connection,
  /** The VM's id, set by `vm`. */
  vmId: filledFrom("vm", text.optional()),
};

const PATH_WANTED = 'must be a path on the VM: absolute, or "~/…" for the home of the user who logs in';

/** A path on the other side. A slash at its end is dropped. */
export const remotePath = z
  .string({ error: PATH_WANTED })
  .regex(/^(?:\/|~$|~\/)[^\0]*$/, PATH_WANTED)
  .refine((path) => !path.split("/").includes(".."), "must be a path without ..")
  .transform((path) => posix.normalize(path).replace(/(?<=.)\/$/, ""));

const MODE_WANTED = 'must be permission bits as chmod(1) takes them, such as "0644"';

/** Permission bits, in octal digits. */
export const fileMode = z.string({ error: MODE_WANTED }).regex(/^[0-7]{3,4}$/, MODE_WANTED);

const OWNER_WANTED = 'must be an owner as chown(1) takes it: "user", "user:group" or ":group"';

/** Owner of a file, by names or numbers. */
export const fileOwner = z.string({ error: OWNER_WANTED }).regex(/^(?!-)[\w.@-]*:?[\w.@-]+$/, OWNER_WANTED);
