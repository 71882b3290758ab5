import { basename, join } from "node:path";
import { MayflyError } from "../errors";
import type { Podman } from "../host/podman";
import { allEnded, bothEnded } from "../host/both-ended";
import { isAlive, type ProcessIdentity } from "../host/process-identity";
import { span } from "../host/trace";
import { Agent } from "./agent";
import { whileBooting, type Booting } from "./boot";
import { lastConsoleLines } from "./console";
import { containerName, inspectContainer, startContainer, type ContainerSpec, type OnHost } from "./container";
import { startLifetime } from "./expiry";
import { makeFolder } from "./folder";
import { identityTar, type KeptIdentity } from "./identity";
import { plugMount, startMount } from "./mounts";
import type { DiskStart } from "./disk/launcher";
import { architectureOf, kernelOf, type LaunchPlan, type SeatedPlan, type StartedMachine } from "./plan";
import { attachedDisks, plugDisk } from "./disks";
import { qemuCommand, TEMPLATE_FILES, type Start } from "./qemu-command";
import { plugSegment } from "./segments";
import type { Shelf } from "./shelf";
import { restore } from "./snapshot";
import type { Template } from "./templates";
import { RestoreFailed } from "./trouble";

/** The steps by which a machine that is on record becomes one that runs. */
export class Launcher {
  /** Each machine's qemu, of those that this process has started. */
  private readonly qemus = new Map<string, ProcessIdentity>();

  /** @param shelf Where machines are kept. */
  constructor(
    private readonly shelf: Shelf,
    private readonly podman: Podman,
  ) {}

  /** What is waited for while a machine boots. */
  booting(id: string): Booting {
    return { id, folder: this.shelf.shared(id), log: this.shelf.consoleLog(id), qemu: this.qemus.get(id) };
  }

  /** Makes the machine's folder and all files that its container needs. */
  async furnish(
    id: string,
    { identity, access, spec, seats, exits, userData, ignition }: SeatedPlan,
    template: Template | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const { mounts } = spec;
    const disks = attachedDisks(spec);
    const belongings = { mounts, disks, seats, exits, userData, ignition };
    const disk = await identityTar(identity, access, belongings);
    const scratch = template === undefined ? undefined : join(template.folder, TEMPLATE_FILES.scratch);
    await makeFolder({ ...this.booting(id), disk, seats, spec, scratch }, signal);
    await this.shelf.keepFile(id, IDENTITY_FILE, JSON.stringify({ identity, ...belongings } satisfies KeptIdentity));
    if (template !== undefined) await this.shelf.change(id, { template: template.key });
  }

  /** Starts the machine's containers; the guest runs from then on. */
  async launch(
    id: string,
    { owner, spec, identity: { mac }, seats, exits, boot, sshPort }: LaunchPlan,
    { start, template, slots }: { readonly start: Start; readonly template?: string; readonly slots: number },
    signal: AbortSignal,
  ): Promise<OnHost> {
    const folder = this.shelf.shared(id);
    const [initramfs, parts] = [basename(boot.initramfs), boot.parts && basename(boot.parts)];
    const architecture = architectureOf(boot);
    const files = { architecture, kernel: kernelOf(boot, start), initramfs, parts, start, slots };
    const command = qemuCommand(containerName(id), spec, { mac, seats }, files);
    const container = {
      ...{ id, owner, folder, command, start, template, machine: spec, exits, sshPort },
      ...{ artefacts: boot.folder, qemu: architecture.qemu },
    };
    const mounts = allEnded(
      spec.mounts.map((mount, index) => startMount(this.podman, { id, owner, folder }, mount, index, signal)),
    );
    if (start !== "warm") await mounts; // a cold qemu connects to them when it starts
    const [onHost] = await bothEnded(this.startQemu(container, signal), mounts);
    return onHost;
  }

  /** Starts the container that qemu runs in. */
  async startQemu(container: Omit<ContainerSpec, "log" | "pidFile">, signal: AbortSignal): Promise<OnHost> {
    const { id } = container;
    const files = { log: this.shelf.consoleLog(id), pidFile: this.shelf.file(id, "qemu.pid") };
    const onHost = await span("podman run", () => startContainer(this.podman, { ...container, ...files }, signal));
    if (onHost.qemu !== undefined) this.qemus.set(id, onHost.qemu);
    return onHost;
  }

  /**
   * Restores the template in a machine that was launched from it, and makes it a machine of its own. Throws
   * {@link RestoreFailed} until the guest has taken its identity.
   */
  async handOver(id: string, plan: SeatedPlan, signal: AbortSignal): Promise<void> {
    const { identity, access, seats, exits } = plan;
    const { mounts } = plan.spec;
    const disks = attachedDisks(plan.spec);
    const wait = { what: "the restored guest did not answer", seconds: plan.bootTimeout, signal };
    let isRestored = false;
    const working = whileBooting(this.podman, this.booting(id), wait, async (qmp, during) => {
      using agent = new Agent(this.shelf.shared(id));
      await span("restore", () => restore(qmp, during));
      const tar = await identityTar(identity, access, { mounts, disks, seats, exits });
      await span("identity", () => agent.giveIdentity(tar, during));
      isRestored = true;
      await Promise.all([
        ...mounts.map(async (_, index) => plugMount(qmp, index, during)),
        ...seats.map(async (seat, index) => plugSegment(qmp, index, seat, mounts.length + index, during)),
        ...disks.map(async (disk, index) => plugDisk(qmp, disk, mounts.length + seats.length + index, during)),
      ]);
      if (mounts.length + disks.length > 0) await agent.mountAll(during);
      if (seats.length > 0) await span("networks", () => agent.joinNetworks(during));
      if (Object.keys(identity.units ?? {}).length > 0) await agent.startUnits(during);
      await agent.tellBegin();
    });
    await working.catch((error: unknown) => {
      throw isRestored ? error : new RestoreFailed(error);
    });
  }

  /** Waits until the guest of a machine that boots through its kernel says that its SSH server listens. */
  async waitListening(id: string, seconds: number, signal: AbortSignal): Promise<void> {
    using agent = new Agent(this.shelf.shared(id));
    const wait = { what: "the guest's SSH server did not listen", seconds, signal };
    await whileBooting(this.podman, this.booting(id), wait, async (_, during) => agent.waitFor(["listening"], during));
  }

  /** Works with a guest that has just begun to listen. Ends at once when its qemu does, and after the seconds. */
  async whileUp(id: string, seconds: number, signal: AbortSignal, work: (signal: AbortSignal) => Promise<void>) {
    const wait = { what: "the guest's SSH server did not let us log in", seconds, signal };
    await whileBooting(this.podman, this.booting(id), wait, async (_, during) => work(during));
  }

  /** Puts on record what the running machine got from the host, and starts its lifetime. */
  async started(id: string, plan: SeatedPlan, onHost: OnHost, disk?: DiskStart): Promise<StartedMachine> {
    const { sshPort, ports } = onHost;
    await this.noteRunning(id, onHost);
    const { spec, boot, bootTimeout, lifetime, seats, exits } = plan;
    const kept: KeptPlan = { spec: { ...spec, ports }, boot, bootTimeout, exits, sshPort, disk };
    await this.shelf.keepFile(id, PLAN_FILE, JSON.stringify(kept));
    if (lifetime !== undefined) await startLifetime(this.shelf, id, lifetime);
    const [consoleLog, addresses] = [this.shelf.consoleLog(id), seats.map(({ address }) => address)];
    return { sshPort, ports, consoleLog, addresses };
  }

  /** Puts the running qemu on record, and its ports on the host. Throws `BOOT_FAILED` where it does not run. */
  async noteRunning(id: string, { qemu, ports }: OnHost): Promise<void> {
    if (qemu !== undefined && isAlive(qemu)) return this.shelf.change(id, { qemu, ports });
    const container = await inspectContainer(this.podman, id, AbortSignal.timeout(LOOK_MS));
    const state = container === undefined ? "gone" : `${container.status}, exit code ${String(container.exitCode)}`;
    throw new MayflyError("BOOT_FAILED", `qemu does not run: its container is ${state}`, {
      evidence: await lastConsoleLines(this.shelf.consoleLog(id)),
      remedy: "see what qemu says above; a size or kernelArgs that this host cannot serve is the usual cause",
    });
  }
}

const LOOK_MS = 20_000; // takes a tenth of a second

/** In a machine's folder, out of its container's sight: what it is started from, should it be stopped. */
export const PLAN_FILE = "plan.json";

/** The text of that file. */
export interface KeptPlan extends Pick<SeatedPlan, "spec" | "boot" | "bootTimeout"> {
  /** What an isolated machine reaches all the same. Absent in plans of former versions. */
  readonly exits?: SeatedPlan["exits"];
  /** Of a machine that boots from a disk. */
  readonly disk?: DiskStart | undefined;
  /** Port of the host that leads to the guest's sshd. */
  readonly sshPort: number;
}

/** In a machine's folder, out of its container's sight: what its identity disk was made of. */
export const IDENTITY_FILE = "identity.json";
