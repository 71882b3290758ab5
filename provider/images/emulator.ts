import type { Architecture } from "../architectures";
import { MayflyError } from "../errors";
import { findProgram, type Podman } from "../host/podman";
import type { RunOptions } from "../host/run";
import { toolMissing } from "../host/tool-error";
import { isDynamic } from "./elf";
import { TOGETHER } from "./together";

/** Printed where the kernel starts no emulator, and can't be brought to. */
const REFUSED = "mayfly: no emulator";

/**
 * Runs `$4 …` where programs for the architecture `$1` can be started, by an emulator that the kernel starts for them
 * (binfmt_misc). Where this host's kernel knows none, it gets `$2` as that for files that match `$3`, in a user namespace
 * with the same ids, which Linux can from 6.7 on: it ends with the program, and nothing changes for anybody else.
 *
 * Which ids those are, a process outside must say, once the namespace is there; what has started before that has no rights
 * in it. By the flag F the emulator is opened at once: below a chroot it could not be found.
 */
const WITH_EMULATOR = String.raw`
name=$1 emulator=$2 files=$3
shift 3
! arch-test "$name" >/dev/null 2>&1 || exec ${TOGETHER} "$@"
[ -n "$emulator" ] || { echo "${REFUSED}: none is installed" >&2; exit 1; }
timeout 30 sh -euc '
  namespace() { readlink "/proc/$1/ns/user"; }
  until [ "$(namespace "$1")" != "$(namespace self)" ]; do sleep 0.02; done
  for ids in uid_map gid_map; do awk "{ print \$1, \$1, \$3 }" /proc/self/$ids >"/proc/$1/$ids"; done
' sh $$ </dev/null >/dev/null 2>&1 &
exec unshare --user --mount sh -euc '
  timeout 30 sh -c "until grep -q . /proc/$$/gid_map; do sleep 0.02; done" || { echo "${REFUSED}: no ids" >&2; exit 1; }
  exec "$@"
' sh sh -euc '
  known=/proc/sys/fs/binfmt_misc
  mount -t binfmt_misc binfmt_misc $known || { echo "${REFUSED}: a namespace can have none" >&2; exit 1; }
  printf %s ":mayfly:M::$2:$1:F" >$known/register
  shift 2
  exec ${TOGETHER} "$@"
' sh "$emulator" "$files" "$@"
`;

/**
 * As `runTogether` does, for a program that starts others, which are for another architecture than this host's:
 * maintainer scripts, say.
 *
 * @throws {MayflyError} `TOOL_MISSING` where this host can't start such programs; those of {@link Podman.script}.
 */
export async function runEmulated(
  podman: Podman,
  architecture: Architecture,
  command: readonly string[],
  options: RunOptions,
): Promise<string> {
  if (findProgram("arch-test") === undefined) throw toolMissing("arch-test");
  const args = [architecture.name, findEmulator(architecture) ?? "", filesOf(architecture), ...command];
  try {
    return await podman.script(WITH_EMULATOR, args, { ...options, killAtOnce: true });
  } catch (error) {
    if (!(error instanceof MayflyError) || !(error.evidence?.includes(REFUSED) ?? false)) throw error;
    throw cannotStart(architecture, error);
  }
}

/** The program that runs a single program of another architecture; it must need no library, which a chroot lacks. */
export function findEmulator({ kernelName }: Architecture): string | undefined {
  const names = [`qemu-${kernelName}-static`, `qemu-${kernelName}`]; // the second is static from Debian 13 on
  return names.map((name) => findProgram(name)).find((path) => path !== undefined && !isDynamic(path));
}

/** What its programs begin with, and which bits of that count, as binfmt_misc(5) takes them. See elf(5). */
function filesOf({ elfMachine }: Architecture): string {
  const bytes = (...values: readonly number[]) =>
    values.map((value) => `\\x${value.toString(16).padStart(2, "0")}`).join("");
  const zeros = (count: number) => Array.from({ length: count }, () => 0);
  const ones = (count: number) => Array.from({ length: count }, () => 0xff);
  const begins = bytes(0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, ...zeros(9), 2, 0, elfMachine, 0); // 2: a program; 3 is one, too
  return `${begins}:${bytes(...ones(7), 0, ...ones(8), 0xfe, ...ones(3))}`;
}

function cannotStart({ name }: Architecture, cause: MayflyError): MayflyError {
  return new MayflyError(
    "TOOL_MISSING",
    `this host cannot run programs for ${name}, which making an image of its packages takes`,
    {
      evidence: cause.evidence,
      remedy: "sudo apt-get install qemu-user-static binfmt-support   (with Linux 6.7 or newer the first will do)",
      cause,
    },
  );
}
