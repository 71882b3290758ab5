import { mkdir, lchown, stat, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { MayflyError } from "../errors";
import type { Owner } from "../context";
import { bindMount } from "../host/bind-mount";
import { findContainerProgram, type Podman } from "../host/podman";
import { until } from "../host/until";
import { confinement, containerName, inspectContainer, labelArgs } from "./container";
import { mountTag } from "./identity";
import { mountRules } from "./mount-rules";
import { mountSocket } from "./qemu-command";
import { slotName } from "./slots";
import type { Qmp } from "./qmp";
import type { MountSpec } from "./spec";

/**
 * What virtiofsd needs to act for the guest's users, and to give up the rest itself (SETPCAP). No MKNOD and no SETFCAP: a
 * guest is not to make devices or privileged programs on the host. No FSETID: a write takes set-user-ID bits away.
 */
const CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID", "SYS_CHROOT", "SETPCAP"];

const SOCKET_DEADLINE_MS = 20_000; // takes 0.3 s; podman may be slow when many machines start at once

/** Where the socket of a mount is, below the machine's folder. */
function socketFolder(folder: string, index: number): string {
  return join(folder, mountTag(index));
}

/**
 * Starts virtiofsd for one mount, in a container of its own that sees the mounted directory and nothing else. Ends by
 * itself when qemu does. Returns when its socket is there.
 *
 * @throws {MayflyError} `MOUNT_SOURCE_MISSING`, `TOOL_MISSING`, or what virtiofsd said.
 */
export async function startMount(
  podman: Podman,
  machine: { readonly id: string; readonly owner: Owner; readonly folder: string },
  mount: MountSpec,
  index: number,
  signal: AbortSignal,
): Promise<void> {
  const owner = await sourceOwner(mount.source);
  const folder = socketFolder(machine.folder, index);
  await mkdir(folder, { mode: 0o700 });
  const { rootless } = await podman.prove(signal);
  // Not where a link leads: qemu may run already, and the folder is in its own.
  if (!rootless) await lchown(folder, owner.uid, owner.gid);
  const rules = `${folder}.json`;
  const virtiofsd = findVirtiofsd();
  // The one in Rust changes back to root after each request, and confines itself only as root.
  const squashRoot = mount.ownerId !== 0 && !virtiofsd.inRust;
  await writeFile(rules, JSON.stringify(mountRules(squashRoot)), { flag: "wx", mode: 0o600 });
  const part = `${machine.id}-${mountTag(index)}`;
  const args = [
    ...["run", "--detach", "--name", containerName(part), ...labelArgs(machine.id, machine.owner)],
    ...[...confinement(CAPABILITIES), "--security-opt", `seccomp=${rules}`],
    ...["--tmpfs", "/run:rw,size=1m"], // QEMU's virtiofsd keeps lock files in /var/run
    ...["--network", "none", ...ownerMapping(mount, owner, rootless), ...virtiofsdUser(mount, squashRoot)],
    ...[...bindMount(folder, "/machine"), ...bindMount(mount.source, "/source", { readOnly: mount.readOnly })],
    ...["--log-driver", "k8s-file", "--log-opt", "max-size=1mb"], // a guest can have it complain without end
    ...podman.rootArgs(),
    ...["/usr/bin/sh", "-euc", SERVE, "mayfly", ...virtiofsdCommand(virtiofsd)],
  ];
  await podman.run(args, { signal });
  await waitServing(podman, part, mount.source, () => existsSync(join(folder, "ready")), signal);
  // virtiofsd listens; from now on the folder only has to let qemu pass, which is root without root's rights.
  if (!rootless) await lchown(folder, 0, 0);
}

async function waitServing(
  podman: Podman,
  part: string,
  source: string,
  ready: () => boolean,
  signal: AbortSignal,
): Promise<void> {
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(SOCKET_DEADLINE_MS)]);
  const logs = async () => podman.run(["logs", containerName(part)], { signal }).catch(() => "");
  await until(
    `virtiofsd serves ${source}`,
    async () => {
      if (ready()) return true;
      const container = await inspectContainer(podman, part, deadline);
      if (container?.running === true) return undefined;
      throw new MayflyError("TOOL_FAILED", `virtiofsd ended while it was to serve ${source}`, {
        evidence: await logs(),
        remedy: "see what it says; the directory must be readable for the user who runs pulumi",
      });
    },
    {
      signal: deadline,
      interval: 20,
      diagnose: async () => ({ evidence: await logs(), remedy: `see: podman logs ${containerName(part)}` }),
    },
  );
}

/** Gives a machine that runs a mount whose virtiofsd serves already. The guest sees a new device a moment later. */
export async function plugMount(qmp: Qmp, index: number, signal: AbortSignal): Promise<void> {
  const tag = mountTag(index);
  const backend = {
    type: "socket",
    data: { addr: { type: "unix", data: { path: mountSocket(index) } }, server: false },
  };
  await qmp.execute("chardev-add", { id: tag, backend }, signal);
  const device = { driver: "vhost-user-fs-pci", id: tag, chardev: tag, tag, bus: slotName(index) };
  await qmp.execute("device_add", device, signal);
}

/**
 * virtiofsd makes its socket for its own user only; qemu may be another one where ids are mapped. The folder lets nobody
 * in but this machine's user, so the socket itself can be open. `ready` says that it is.
 */
const SERVE = `
"$@" 2>&1 &
until [ -S /machine/socket ]; do
  kill -0 $! || exit 1
  sleep 0.01
done
chmod 666 /machine/socket
: >/machine/ready
wait $!
`;

/** The two programs of this name: QEMU's own in C (to 7.2), and the one in Rust that followed. */
interface Virtiofsd {
  readonly path: string;
  readonly inRust: boolean;
}

const PLACES = [
  "/usr/libexec/virtiofsd",
  "/usr/lib/qemu/virtiofsd",
  "/usr/lib/virtiofsd",
  "/usr/libexec/qemu/virtiofsd",
];

function findVirtiofsd(): Virtiofsd {
  const path = findContainerProgram("virtiofsd") ?? PLACES.find((place) => existsSync(place));
  if (path === undefined) {
    throw new MayflyError("TOOL_MISSING", "mounts need virtiofsd, which is not installed on this host", {
      evidence: `looked in what PATH has of /usr, and at ${PLACES.join(", ")}`,
      remedy: "sudo apt-get install virtiofsd   (Debian 12: qemu-system-common)",
    });
  }
  return { path, inRust: !path.endsWith("/qemu/virtiofsd") };
}

/** Pure: the command line inside the container. */
export function virtiofsdCommand({ path, inRust }: Virtiofsd): string[] {
  const common = [path, "--socket-path=/machine/socket", "--rlimit-nofile=0"];
  const missing = "-mknod:-setfcap:-fsetid"; // of what it takes for granted, what CAPABILITIES lacks
  return inRust
    ? [...common, "--shared-dir=/source", "--sandbox=chroot", "--cache=auto", `--modcaps=${missing}`]
    : [...common, "-o", `source=/source,sandbox=chroot,cache=auto,modcaps=${missing}`];
}

interface SourceOwner {
  readonly uid: number;
  readonly gid: number;
}

async function sourceOwner(source: string): Promise<SourceOwner> {
  const seen = await stat(source).catch(() => undefined);
  if (seen?.isDirectory() === true) return seen;
  throw new MayflyError(
    "MOUNT_SOURCE_MISSING",
    `the directory to mount, ${source}, ${seen ? "is no directory" : "does not exist"}`,
    {
      remedy: `mkdir -p ${source}, or correct mounts[].source (a relative path starts at the program's folder)`,
    },
  );
}

const OTHER_IDS = 2_000_000_000; // host ids for guest users that are not the owner: nobody's, far from those in use
const ID_COUNT = 65_536;

/**
 * Maps ids so that the guest's `owner` is, on the host, who owns the mounted directory; without root's rights that is the
 * caller, the only one who can be mapped. Other guest users become ids that nobody has (without root's rights: the caller's
 * subordinate ids); the guest's root acts as the owner where {@link mountRules} see to it. Only where root mounts what is
 * root's for root, all ids stay what they are. Pure.
 */
export function ownerMapping({ ownerId }: Pick<MountSpec, "ownerId">, owner: SourceOwner, rootless: boolean): string[] {
  const id = String(ownerId);
  if (rootless) return ownerId === 0 ? [] : ["--userns", `keep-id:uid=${id},gid=${id}`]; // podman's own way for id 0
  if (ownerId === 0 && owner.uid === 0 && owner.gid === 0) return [];
  return [...idMap("--uidmap", ownerId, owner.uid), ...idMap("--gidmap", ownerId, owner.gid)];
}

/** Who virtiofsd starts as; `--passwd=false` keeps podman from making entries in the root directory that all share. */
export function virtiofsdUser({ ownerId }: Pick<MountSpec, "ownerId">, squashRoot: boolean): string[] {
  const id = squashRoot ? String(ownerId) : "0";
  return ["--user", `${id}:${id}`, "--passwd=false"];
}

function idMap(option: string, inside: number, outside: number): string[] {
  const ranges: [number, number, number][] = [
    [0, OTHER_IDS, inside],
    [inside, outside, 1],
    [inside + 1, OTHER_IDS + inside + 1, ID_COUNT - inside - 1],
  ];
  return ranges.filter(([, , count]) => count > 0).flatMap((range) => [option, range.join(":")]);
}
