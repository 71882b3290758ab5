import type { BootDisk } from "../../images/disk";
import type { Podman } from "../../host/podman";
import { whileBooting } from "../boot";
import type { BootTurns } from "../boot-turns";
import { containerName, type OnHost } from "../container";
import type { Launcher } from "../launcher";
import type { Progress, SeatedPlan, StartedMachine } from "../plan";
import type { Identity } from "../spec";
import { sshBanner } from "./banner";
import { diskCommand, PC, type DiskBootFiles } from "./command";
import { makeDiskFolder } from "./folder";

/** A machine to be made that boots from a disk. */
export type DiskPlan = SeatedPlan & { readonly boot: BootDisk };

/** What a machine's disk is booted by, beside its plan; the same whenever it starts. */
export interface DiskStart extends DiskBootFiles, Pick<Identity, "mac" | "machineId"> {}

/** The part of a plan that its qemu is started by. */
type DiskLaunch = Pick<DiskPlan, "owner" | "spec" | "boot" | "exits" | "bootTimeout"> & {
  readonly start: DiskStart;
  /** Port of the host that is to lead to the guest's sshd; absent: a free one. */
  readonly sshPort?: number;
};

/** What brings it up. */
interface Tools {
  readonly launcher: Launcher;
  readonly podman: Podman;
}

/**
 * Brings a machine that is on record up from its disk, until its SSH server says its name. Who may log in then is root
 * alone, by the keys of the plan.
 *
 * @throws {MayflyError} `BOOT_FAILED` or `BOOT_TIMEOUT` with the console's last lines, `TOOL_MISSING`, `PORT_TAKEN`.
 */
export async function startFromDisk(
  id: string,
  plan: DiskPlan,
  tools: Tools & { readonly turns: BootTurns },
  progress: Progress,
): Promise<StartedMachine> {
  const { signal, step } = progress;
  const { owner, spec, identity, boot, access, userData, ignition } = plan;
  const { folder, log } = tools.launcher.booting(id);
  const contents = { folder, log, boot, diskMiB: spec.scratchMiB, identity, access, userData, ignition };
  const files = await makeDiskFolder(contents, signal);
  const start = { ...files, mac: identity.mac, machineId: identity.machineId };
  const title = `Booting ${owner.resource} from its disk (${spec.accelerator}, ${boot.firmware.toUpperCase()})`;
  const bootIt = async () => {
    const onHost = await bootDisk(id, { ...plan, start }, tools, signal);
    return tools.launcher.started(id, plan, onHost, start);
  };
  return tools.turns.take(spec, progress, () => step(title, bootIt));
}

/** Boots a machine from the disk in its folder, until its SSH server says its name. Throws as {@link startFromDisk}. */
export async function bootDisk(
  id: string,
  { owner, spec, boot, exits, bootTimeout, start, sshPort }: DiskLaunch,
  { launcher, podman }: Tools,
  signal: AbortSignal,
): Promise<OnHost> {
  const { folder } = launcher.booting(id);
  const command = diskCommand(containerName(id), spec, start, start);
  const container = {
    ...{ id, owner, folder, command, machine: spec, exits, artefacts: boot.folder, sshPort, qemu: PC.qemu },
    ...({ start: "cold", template: undefined } as const),
  };
  const onHost = await launcher.startQemu(container, signal);
  const wait = { what: "the guest's SSH server did not answer", seconds: bootTimeout, signal };
  await whileBooting(podman, launcher.booting(id), wait, async (_, during) => sshBanner(onHost.sshPort, during));
  return onHost;
}
