import { MayflyError } from "../errors";

/** What podman says on a host that is not ready for it, and what helps; the first that matches counts. */
const TROUBLES: readonly (readonly [RegExp, string])[] = [
  [
    /XDG_RUNTIME_DIR|\/run\/user\/\d+\S*: (?:permission denied|no such file)/i,
    "log in as this user anew (`su` and `sudo` keep the other user's session), or:\n" +
      "  sudo loginctl enable-linger $USER; export XDG_RUNTIME_DIR=/run/user/$(id -u)",
  ],
  [/executable file not found[^]*newuidmap|newuidmap[^]*executable file not found/i, "sudo apt-get install uidmap"],
  [
    /newuidmap|newgidmap|subuid|subgid|uid_map|gid_map|insufficient UIDs or GIDs/i,
    "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $USER && podman system migrate\n" +
      "  (another range where /etc/subuid already has this one)",
  ],
  [/net\/tun[^]*no such file/i, "sudo modprobe tun   (in a container: start it with --device /dev/net/tun)"],
  [/net\/tun/i, "sudo chmod 666 /dev/net/tun   (as every stock distribution has it)"],
  [
    /(?:graph|storage) ?driver|overlay is not supported|prior storage/i,
    "name the driver that podman's store was made with in storage.conf (`podman info` tells), or make the store anew:\n" +
      "  podman system reset   (removes all containers and images of this user)",
  ],
];

/**
 * The same failure with a remedy for this host, where podman's words show that the host is the cause.
 *
 * @returns `PODMAN_UNUSABLE`, or the error itself where it is about something else.
 */
export function explainPodman(error: unknown): unknown {
  if (!(error instanceof MayflyError) || error.code !== "TOOL_FAILED") return error;
  const remedy = TROUBLES.find(([pattern]) => pattern.test(error.evidence ?? ""))?.[1];
  return remedy === undefined ? error : podmanUnusable(error.evidence, remedy, error);
}

/** The error for a host on which podman starts no container at all. */
export function podmanUnusable(evidence: string | undefined, remedy: string, cause?: unknown): MayflyError {
  return new MayflyError("PODMAN_UNUSABLE", "podman cannot start a container on this host", {
    evidence,
    remedy,
    cause,
  });
}

/** The part of `podman info` that tells about ids: ranges of the host's that containers may use. Absent for root. */
export interface IdMappings {
  readonly uidmap?: readonly { readonly size: number }[] | null;
  readonly gidmap?: readonly { readonly size: number }[] | null;
}

const ENOUGH_IDS = 65_536; // all that a Linux system uses by itself; podman works with one, but no image does

/** Throws `PODMAN_UNUSABLE` where a user's containers would have too few ids. */
export function checkIds({ uidmap, gidmap }: IdMappings): void {
  for (const [file, map] of Object.entries({ "/etc/subuid": uidmap, "/etc/subgid": gidmap })) {
    const count = (map ?? []).reduce((sum, { size }) => sum + size, 0);
    if (count >= ENOUGH_IDS) continue;
    const evidence = `${file} gives this user's containers ${String(count)} ids; ${String(ENOUGH_IDS)} are needed`;
    throw explainPodman(new MayflyError("TOOL_FAILED", "too few ids", { evidence, remedy: "" }));
  }
}
