import { z } from "zod";
import { guestPath, text, userName } from "./fields";
import type { Complain } from "./rule";

/**
 * A directory of the host, seen in the guest through virtiofs. The guest can't make device files in it, nor files with
 * set-user-ID or set-group-ID bits or capabilities: on the host they would be a way to other users' rights.
 */
const mount = z.strictObject({
  /** Directory on the host; a relative path starts at the program's folder. Must exist at `up`. */
  source: text,
  /** Where it appears in the guest. Made when missing. */
  target: guestPath,
  /** The guest can read but not write. @default false */
  readOnly: z.boolean().default(false),
  /**
   * The guest user who stands for the owner of `source` on the host, or for you where Mayfly runs without root's rights:
   * what either writes, the other may change. `root`, or one of `users`. With one of `users`, what the guest's root writes
   * is that user's too if the host's virtiofsd is QEMU's own (Debian 12); else it is nobody's. @default "root"
   */
  owner: userName.default("root"),
});

/** Directories of the host in the guest. */
export const mounts = z.array(mount);

interface Fields {
  readonly mounts: readonly z.output<typeof mount>[];
  readonly users: readonly { readonly name: string }[];
}

/** What the mounts of a VM have to do with each other, and with its users; a rule of the schema. */
export function checkMounts(vm: Fields, complain: Complain): void {
  vm.mounts.forEach(({ target, owner }, index) => {
    if (vm.mounts.findIndex((other) => other.target === target) !== index)
      complain(["mounts", index, "target"], `"${target}" is mounted twice`);
    if (owner !== "root" && !vm.users.some(({ name }) => name === owner))
      complain(["mounts", index, "owner"], `must be "root" or one of users, got "${owner}"`);
  });
}
