/** The part of a seccomp profile that we use; podman takes it as containers-common's seccomp.json(5). */
interface Rule {
  readonly names: readonly string[];
  readonly action: "SCMP_ACT_ERRNO";
  /** What the call returns as its error; 0 makes it a success that did nothing. */
  readonly errnoRet: number;
  readonly args?: readonly Condition[];
}

/** On one argument of a call; `value` is the mask of a masked comparison, `valueTwo` what it is to give. */
interface Condition {
  readonly index: number;
  readonly value: number;
  readonly valueTwo?: number;
  readonly op: "SCMP_CMP_EQ" | "SCMP_CMP_MASKED_EQ";
}

const [EPERM, ENOSYS] = [1, 38];
const O_CREAT = 0o100;
const MODE_BITS = [0o4000, 0o2000]; // set-user-ID, set-group-ID

/** Calls that give a file its mode: name and the mode's place among the arguments. */
const CHANGERS = { chmod: 1, fchmod: 1, fchmodat: 2, fchmodat2: 2, mknod: 1, mknodat: 2, creat: 1 };

/** Calls that do so when a flag says that they create: name, the flags' place, the mode's. */
const OPENERS = { open: [1, 2], openat: [2, 3] } as const;

/** Calls by which virtiofsd takes on a guest user's id, and by which it gives a file away: the place of each id. */
const IDENTITIES = { setresuid: [1], setresgid: [1], chown: [1, 2], lchown: [1, 2], fchown: [1, 2], fchownat: [2, 3] };

/**
 * Rules for the calls of one virtiofsd, beside those that it has of its own.
 *
 * A guest can't make files with set-user-ID or set-group-ID bits: on the host they would run as their owner, which may be
 * root, for whoever finds them.
 *
 * @param squashRoot Run virtiofsd as the mount's owner, and the guest's root acts as the owner too: what would make
 * virtiofsd root does nothing, nor does giving a file to root. (Two ids can't be mapped to one by a user namespace.)
 */
export function mountRules(squashRoot: boolean): object {
  const setsId = Object.entries(CHANGERS).flatMap(([name, mode]) => MODE_BITS.map((bit) => deny(name, has(mode, bit))));
  const createsId = Object.entries(OPENERS).flatMap(([name, [flags, mode]]) =>
    MODE_BITS.map((bit) => deny(name, has(flags, O_CREAT), has(mode, bit))),
  );
  const asRoot = Object.entries(IDENTITIES).flatMap(([name, places]) =>
    places.map((index) => ({ ...deny(name, { index, value: 0, op: "SCMP_CMP_EQ" }), errnoRet: 0 })),
  );
  return {
    defaultAction: "SCMP_ACT_ALLOW",
    architectures: ["SCMP_ARCH_X86_64"],
    syscalls: [
      ...[...setsId, ...createsId],
      { ...deny("openat2"), errnoRet: ENOSYS }, // its mode is in memory, where no rule can look; callers know of openat
      ...(squashRoot ? asRoot : []),
    ],
  };
}

function deny(name: string, ...args: readonly Condition[]): Rule {
  return { names: [name], action: "SCMP_ACT_ERRNO", errnoRet: EPERM, ...(args.length > 0 && { args }) };
}

function has(index: number, bits: number): Condition {
  return { index, value: bits, valueTwo: bits, op: "SCMP_CMP_MASKED_EQ" };
}
