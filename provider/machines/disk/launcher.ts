import type { BootDisk } from "../../images/disk";
import type { Podman } from "../../host/podman";
import { whileBooting } from "../boot";
import { containerName, inspectContainer, startContainer } from "../container";
import type { Launcher } from "../launcher";
import type { Progress, SeatedPlan, StartedMachine } from "../plan";
import { SSH_CONTAINER_PORT } from "../qemu-command";
import { sshBanner } from "./banner";
import { diskCommand, PC } from "./command";
import { makeDiskFolder } from "./folder";

/** A machine to be made that boots from a disk. */
export type DiskPlan = SeatedPlan & { readonly boot: BootDisk };

/**
 * Brings a machine that is on record up from its disk, until its SSH server says its name. Who may log in then is root
 * alone, by the keys of the plan.
 *
 * @throws {MayflyError} `BOOT_FAILED` or `BOOT_TIMEOUT` with the console's last lines, `TOOL_MISSING`, `PORT_TAKEN`.
 */
export async function startFromDisk(
  id: string,
  plan: DiskPlan,
  { launcher, podman }: { readonly launcher: Launcher; readonly podman: Podman },
  { signal, step }: Progress,
): Promise<StartedMachine> {
  const { owner, spec, identity, boot, access, exits, userData, ignition, bootTimeout } = plan;
  const machine = launcher.booting(id);
  const { folder, log } = machine;
  const contents = { folder, log, boot, diskMiB: spec.scratchMiB, identity, access, userData, ignition };
  const files = await makeDiskFolder(contents, signal);
  return step(
    `Booting ${owner.resource} from its disk (${spec.accelerator}, ${boot.firmware.toUpperCase()})`,
    async () => {
      const command = diskCommand(containerName(id), spec, identity, files);
      const container = {
        ...{ id, owner, folder, log, command, machine: spec, exits, artefacts: boot.folder, qemu: PC.qemu },
        ...({ start: "cold", template: undefined, sshPort: undefined } as const),
      };
      await startContainer(podman, container, signal);
      const state = await inspectContainer(podman, id, signal);
      const port = state?.ports.get(`${String(SSH_CONTAINER_PORT)}/tcp`);
      if (port !== undefined) {
        const wait = { what: "the guest's SSH server did not answer", seconds: bootTimeout, signal };
        await whileBooting(podman, machine, wait, async (_, during) => sshBanner(port, during));
      }
      return launcher.started(id, plan, false, state);
    },
  );
}
