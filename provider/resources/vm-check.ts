import { resolve } from "node:path";
import { stat } from "node:fs/promises";
import { MayflyError } from "../errors";
import type { Obstacle } from "../machines/obstacles";
import { diskImageFailures } from "../schema/disk-image";
import type { VMSpec } from "../schema/vm";
import type { CheckContext, InputFailure } from "./resource";
import { checkDisk } from "./vm-disks";
import { checkReaders } from "./vm-first-boot";

/** What only a look at this host can tell of a VM's inputs. For a VM that is there already, only what may change in place. */
export async function checkVM(inputs: VMSpec, look: CheckContext): Promise<readonly InputFailure[]> {
  const found = await Promise.all([checkKeyPair(inputs, look), ...(look.isNew ? whatIsNew(inputs, look) : [])]);
  return [...diskImageFailures(inputs).map(([property, reason]) => ({ property, reason })), ...found.flat()];
}

function whatIsNew(inputs: VMSpec, look: CheckContext): Promise<readonly InputFailure[]>[] {
  const readers = async () => checkReaders(inputs, { ...(await look.openRooms()), signal: look.signal });
  return [...inputs.mounts.map(checkSource), ...inputs.disks.map(checkDisk), checkHost(inputs, look), readers()];
}

async function checkSource({ source }: VMSpec["mounts"][number], index: number): Promise<InputFailure[]> {
  const path = resolve(source);
  const seen = await stat(path).catch(() => undefined);
  if (seen?.isDirectory() === true) return [];
  const reason = `must be a directory on this host; ${path} ${seen ? "is something else" : "does not exist"}`;
  return [{ property: `mounts[${String(index)}].source`, reason }];
}

/** Both halves must be keys, and of the same pair: else nobody could log in, and it would show only after the boot. */
async function checkKeyPair({ sshKey }: VMSpec, { openRooms }: CheckContext): Promise<InputFailure[]> {
  if (sshKey?.privateKey === undefined) return [];
  const { ssh } = await openRooms();
  try {
    const { publicKey } = await ssh.parseKey({ privateKey: sshKey.privateKey });
    const blob = (line: string) => /(?:^| )[a-z0-9-]+ (AAAA[A-Za-z0-9+/=]+)/.exec(line)?.[1];
    if (blob(publicKey) === blob(sshKey.publicKey)) return [];
    return [{ property: "sshKey.publicKey", reason: "is not the public half of sshKey.privateKey" }];
  } catch (error) {
    if (!(error instanceof MayflyError)) throw error;
    return [{ property: "sshKey.privateKey", reason: error.message }];
  }
}

/** What this host cannot give; said only where it may go well all the same. */
async function checkHost(
  inputs: VMSpec,
  { owner, own, openRooms, signal, say }: CheckContext,
): Promise<InputFailure[]> {
  const { machines } = await openRooms();
  const { accelerator, memory: memoryMiB, disk: scratchMiB, ports } = inputs;
  const networks = inputs.networks.map(({ network, address }, index) => ({
    ...{ name: network, address },
    id: inputs.networkIds[index],
  }));
  const found = await machines.obstacles({ owner, own, accelerator, memoryMiB, scratchMiB, ports, networks }, signal);
  for (const obstacle of found.filter(({ isWarning }) => isWarning === true))
    say(`warning: ${fieldOf(obstacle)}: ${obstacle.reason}`);
  return found
    .filter(({ isWarning }) => isWarning !== true)
    .map((obstacle) => ({ property: fieldOf(obstacle), reason: obstacle.reason }));
}

function fieldOf({ about }: Obstacle): string {
  if (about === undefined) return "";
  if (typeof about !== "string")
    return about[0] === "ports" ? `ports[${String(about[1])}].host` : `networks[${String(about[1])}].address`;
  return about === "scratch" ? "disk" : about;
}

/** A port, an address, or a disk that both have: the old VM must let go of it before the new one can have it. */
export function haveInCommon(old: VMSpec, next: VMSpec): boolean {
  return sharePort(old, next) || shareAddress(old, next) || shareDisk(old, next);
}

/** qemu locks the files of its disks: only readers go together. */
function shareDisk(old: VMSpec, next: VMSpec): boolean {
  return next.disks.some(({ source, readOnly }) =>
    old.disks.some((other) => resolve(other.source) === resolve(source) && !(readOnly && other.readOnly)),
  );
}

function shareAddress(old: VMSpec, next: VMSpec): boolean {
  return next.networks.some(
    ({ address }, index) =>
      address !== undefined &&
      old.networks.some(
        (other, place) => other.address === address && old.networkIds[place] === next.networkIds[index],
      ),
  );
}

function sharePort(old: VMSpec, next: VMSpec): boolean {
  const fixed = next.ports.filter(({ host }) => host !== 0);
  return fixed.some(({ host, protocol }) =>
    old.ports.some((other) => other.host === host && other.protocol === protocol),
  );
}
