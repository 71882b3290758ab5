import type { Podman } from "../host/podman";
import type { RunOptions } from "../host/run";

/** Has the kernel end all that a program has started, when it is killed itself, or with us. */
export const TOGETHER = "setpriv --pdeathsig KILL unshare --pid --fork --kill-child --mount-proc";

/** Ubuntu's AppArmor, from 25.04 on, lets no program below unshare(1) mount anything, which making a root takes. */
const WITH_ALL = `
! unshare --mount mount -t tmpfs tmpfs /mnt 2>/dev/null || exec ${TOGETHER} "$@"
exec setpriv --pdeathsig TERM "$@"
`;

/**
 * Runs a program with all that it starts, with root's rights, or those of root in podman's user namespace. When the signal
 * fires, all of them are killed at once.
 *
 * @throws {MayflyError} Those of {@link Podman.script}.
 */
export async function runTogether(podman: Podman, command: readonly string[], options: RunOptions): Promise<string> {
  return podman.script(WITH_ALL, command, { ...options, killAtOnce: true });
}
