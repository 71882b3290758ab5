import { chmod, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { MayflyError } from "../errors";
import { sharedFolder, type Paths } from "../host/paths";
import type { Podman } from "../host/podman";
import { identifySelf, isAlive } from "../host/process-identity";
import { commitSync, Records } from "../host/records";
import { span } from "../host/trace";
import { chooseAccelerator } from "./accelerator";
import { Admission } from "./admission";
import { Agent, GUEST_SSH_PORT } from "./agent";
import { whileBooting, type Booting } from "./boot";
import { lastConsoleLines } from "./console";
import { containerName, inspectContainer, removeContainers, startContainer, type ContainerState } from "./container";
import { startExpiry, stopExpiry } from "./expiry";
import { IDENTITY_DISK, makeFolder } from "./folder";
import { findExits } from "./exits";
import { bootsInUse, templatesInUse } from "./in-use";
import { accessTar, asDisk, identityTar, isMountTag, newMac, newMachineId, type KeptIdentity } from "./identity";
import { plugMount, startMount } from "./mounts";
import { obstacles, type Demand, type Obstacle, type Others } from "./obstacles";
import { containerPort, qemuCommand, slotCount, SSH_CONTAINER_PORT, TEMPLATE_FILES, type Start } from "./qemu-command";
import type { LaunchPlan, MachinePlan, Progress, SeatedPlan, StartedMachine } from "./plan";
import { firstRecord, type MachineRecord, type RecordedPlan } from "./record";
import { restore } from "./snapshot";
import { bareSpec, type Accelerator, type Access, type Identity, type PortSpec } from "./spec";
import { takeSeats, type Seat } from "./seats";
import { plugSegment } from "./segments";
import { findOrMake, type SizedTemplatePlan, type Workshop } from "./template-maker";
import { Templates, type ListedTemplate, type Template } from "./templates";
import { isOnlyTheTemplates, isTemplatesFault, reasonOf } from "./trouble";

/** The room of machines: one container with qemu in it each, its folder, and its record. */
export class Machines {
  /** Port at which a machine's SSH server answers in its private networks. */
  readonly guestSshPort = GUEST_SSH_PORT;
  private readonly records: Records<MachineRecord>;
  /** What resources have asked for in this process, which sees one program. */
  private readonly claims: Omit<Others, "records"> = { claims: [], addressClaims: [] };
  private readonly templates: Templates;
  private readonly admission = new Admission();
  private readonly workshop: Workshop;

  /** @param paths Where folders and records are kept. */
  constructor(
    private readonly paths: Paths,
    private readonly podman: Podman,
  ) {
    this.records = new Records<MachineRecord>(join(paths.records, "machines"));
    this.templates = new Templates(paths);
    this.workshop = {
      ...{ podman, templates: this.templates },
      begin: async (id, plan, signal) => this.begin(id, plan, signal),
      launch: async (id, plan, how, signal) =>
        this.launch(id, { ...plan, identity: { mac: newMac() }, seats: [], exits: [] }, how, signal),
      booting: (id) => this.booting(id),
      discard: async (id) => this.remove(id, AbortSignal.timeout(REMOVAL_MS)),
      inUse: async () => templatesInUse(this.records),
    };
  }

  /** What tells a machine from all others. */
  newNumbers(): Pick<Identity, "machineId" | "mac"> {
    return { machineId: newMachineId(), mac: newMac() };
  }

  /** The accelerator to use. Throws `KVM_UNUSABLE` when KVM is asked for and does not work here. */
  async chooseAccelerator(wanted: "auto" | Accelerator, signal: AbortSignal): Promise<Accelerator> {
    return chooseAccelerator(this.paths, wanted, signal);
  }

  /** What stands in the way of a new machine on this host, all of it. Changes nothing. */
  async obstacles(demand: Demand, signal: AbortSignal): Promise<Obstacle[]> {
    return obstacles(demand, this.paths, { records: await this.records.list(), ...this.claims }, signal);
  }

  /**
   * Brings a machine up until its guest's sshd can be asked: from a template where that is possible and wanted, else
   * through its kernel. On failure nothing of it is left.
   *
   * @throws {MayflyError} `BAD_INPUT` for a name in `allow` that leads nowhere, `BOOT_FAILED` or `BOOT_TIMEOUT` with the console's last lines, `PORT_TAKEN`,
   * `ADDRESS_TAKEN`, `NETWORK_FAILED`, and podman's own.
   */
  async start(id: string, asked: MachinePlan, { signal, step, say }: Progress): Promise<StartedMachine> {
    const exits = await findExits(asked.spec.allow, signal);
    const plan = { ...asked, exits, seats: await this.begin(id, asked, signal) };
    return this.orRemove(id, async () => {
      const template = await span("template", () => this.templateFor(plan, { signal, step, say }));
      await span("folder", () => this.furnish(id, plan, template, signal));
      const slots = plan.warmBoot === "never" ? 0 : slotCount(plan.spec);
      const title = `Booting ${plan.owner.resource} (${plan.spec.accelerator})`;
      if (template !== undefined) {
        try {
          await this.launch(id, plan, { start: "warm", template: template.folder, slots }, signal);
          const [, container] = await Promise.all([this.handOver(id, plan, signal), this.inspect(id, signal)]);
          return await this.started(id, plan, true, container);
        } catch (error) {
          if (signal.aborted || plan.warmBoot === "required" || !isTemplatesFault(error)) throw error;
          say(`boots through its kernel, as the warm boot failed: ${reasonOf(error)}`);
          await this.templates.remove(template.key);
          await removeContainers(this.podman, id, await this.parts(id), signal);
          await rm(this.sharedFolder(id), { recursive: true, force: true });
          await this.furnish(id, plan, undefined, signal);
        }
      }
      return step(title, async () => {
        await this.launch(id, plan, { start: "cold", slots }, signal);
        if (plan.waits) await this.waitListening(id, plan.bootTimeout, signal);
        return this.started(id, plan, false, await this.inspect(id, signal));
      });
    });
  }

  private async begin(id: string, plan: RecordedPlan, signal: AbortSignal): Promise<readonly Seat[]> {
    const madeBy = identifySelf();
    const places = { locks: this.paths.locks, records: this.records };
    return takeSeats(plan.spec.segments, places, signal, async (seats) =>
      this.records.write(id, firstRecord(plan, madeBy, seats)),
    );
  }

  /** Starts the machine's containers; the guest runs from then on. */
  private async launch(
    id: string,
    { owner, spec, identity: { mac }, seats, exits, boot }: LaunchPlan,
    { start, template, slots }: { readonly start: Start; readonly template?: string; readonly slots: number },
    signal: AbortSignal,
  ): Promise<void> {
    const folder = this.sharedFolder(id);
    const [initramfs, parts] = [basename(boot.initramfs), boot.parts && basename(boot.parts)];
    const command = qemuCommand(containerName(id), spec, { mac, seats }, { initramfs, parts, start, slots });
    const container = {
      ...{ id, owner, folder, command, start, template, machine: spec, exits },
      ...{ artefacts: boot.folder, log: this.consoleLog(id) },
    };
    const mounts = Promise.all(
      spec.mounts.map((mount, index) => startMount(this.podman, { id, owner, folder }, mount, index, signal)),
    );
    if (start !== "warm") await mounts; // a cold qemu connects to them when it starts
    await Promise.all([mounts, span("podman run", () => startContainer(this.podman, container, signal))]);
  }

  /** Restores the template in a machine that was launched from it, and makes it a machine of its own. */
  private async handOver(id: string, plan: SeatedPlan, signal: AbortSignal): Promise<void> {
    const { identity, access, seats, exits } = plan;
    const { mounts } = plan.spec;
    const wait = { what: "the restored guest did not answer", seconds: plan.bootTimeout, signal };
    await whileBooting(this.podman, this.booting(id), wait, async (qmp, during) => {
      using agent = new Agent(this.sharedFolder(id));
      await span("restore", () => restore(qmp, during));
      const tar = await identityTar(identity, access, { mounts, seats, exits });
      await span("identity", () => agent.giveIdentity(tar, during));
      await Promise.all([
        ...mounts.map(async (_, index) => plugMount(qmp, index, during)),
        ...seats.map(async (seat, index) => plugSegment(qmp, index, seat, mounts.length + index, during)),
      ]);
      if (mounts.length > 0) await agent.mountAll(during);
      if (seats.length > 0) await span("networks", () => agent.joinNetworks(during));
      await agent.tellBegin();
    });
  }

  /** The template to start from, made if need be; `undefined` when the machine is to boot through its kernel. */
  private async templateFor(plan: MachinePlan, progress: Progress): Promise<Template | undefined> {
    if (plan.warmBoot === "never" || !plan.waits) return undefined;
    try {
      return await findOrMake(this.workshop, plan, progress);
    } catch (error) {
      if (progress.signal.aborted || !isOnlyTheTemplates(error) || plan.warmBoot === "required") throw error;
      progress.say(`boots through its kernel, as there is no template: ${reasonOf(error)}`);
      return undefined;
    }
  }

  /** Makes sure that there is a template for machines like this one; returns its key. See {@link findOrMake}. */
  async ensureTemplate({ size, ...rest }: SizedTemplatePlan, progress: Progress): Promise<string> {
    const make = () => findOrMake(this.workshop, { ...rest, spec: bareSpec(size) }, progress);
    return (await this.inTurn(size.memoryMiB, progress, make)).key;
  }

  /** All templates, the most recently used first, and how many machines run from each. */
  async allTemplates(): Promise<(ListedTemplate & { readonly machines: number })[]> {
    const users = [...(await this.records.list()).values()].map(({ template }) => template);
    return (await this.templates.list()).map((template) => ({
      ...template,
      machines: users.filter((key) => key === template.key).length,
    }));
  }

  /** Removes a template. Machines that run from it keep what they need of it. */
  async removeTemplate(key: string): Promise<void> {
    await this.templates.remove(key);
  }

  /** Starts a machine when it is its turn: see {@link Admission}. */
  async inTurn<T>(memoryMiB: number, progress: Progress, work: () => Promise<T>): Promise<T> {
    return this.admission.inTurn(memoryMiB, progress, work);
  }

  /** Versions of the boot artefacts that machines and templates were made from. */
  async bootsInUse(): Promise<string[]> {
    return bootsInUse(this.records, this.templates);
  }

  private booting(id: string): Booting {
    return { id, folder: this.sharedFolder(id), log: this.consoleLog(id) };
  }

  /** Runs work on a machine that is being made; when that fails, nothing of the machine is left. */
  async orRemove<T>(id: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      await this.remove(id, AbortSignal.timeout(REMOVAL_MS));
      throw error;
    }
  }

  /** Makes the machine's folder and all files that its container needs. */
  private async furnish(
    id: string,
    { identity, access, spec: { mounts, scratchMiB }, seats, exits }: SeatedPlan,
    template: Template | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const disk = await identityTar(identity, access, { mounts, seats, exits });
    const scratch = template === undefined ? undefined : join(template.folder, TEMPLATE_FILES.scratch);
    await makeFolder({ ...this.booting(id), disk, seats, scratchMiB, scratch }, signal);
    await this.keepFile(id, IDENTITY_FILE, JSON.stringify({ identity, mounts, seats, exits } satisfies KeptIdentity));
    if (template !== undefined) await this.change(id, { template: template.key });
  }

  private async inspect(id: string, signal: AbortSignal): Promise<ContainerState | undefined> {
    return span("podman inspect", () => inspectContainer(this.podman, id, signal));
  }

  private async started(
    id: string,
    { spec: { ports }, lifetime, seats }: SeatedPlan,
    warm: boolean,
    container: ContainerState | undefined,
  ): Promise<StartedMachine> {
    const sshPort = container?.ports.get(`${String(SSH_CONTAINER_PORT)}/tcp`);
    if (container?.process === undefined || sshPort === undefined) {
      throw new MayflyError("BOOT_FAILED", `qemu did not start: its container is ${container?.status ?? "gone"}`, {
        evidence: await this.console(id),
        remedy: "see what qemu says above; a size or kernelArgs that this host cannot serve is the usual cause",
      });
    }
    const hostPort = (port: PortSpec, index: number) =>
      container.ports.get(`${String(containerPort(index))}/${port.protocol}`) ?? port.host;
    const published = ports.map((port, index) => ({ ...port, host: hostPort(port, index) }));
    await this.change(id, { qemu: container.process, ports: published });
    if (lifetime !== undefined)
      await this.change(id, { expiry: await startExpiry(id, lifetime, this.file(id, "expiry.log")) });
    return {
      sshPort,
      ports: published,
      consoleLog: this.consoleLog(id),
      addresses: seats.map(({ address }) => address),
      warm,
    };
  }

  private async waitListening(id: string, seconds: number, signal: AbortSignal): Promise<void> {
    using agent = new Agent(this.sharedFolder(id));
    const wait = { what: "the guest's SSH server did not listen", seconds, signal };
    await whileBooting(this.podman, this.booting(id), wait, async (_, during) => agent.waitFor(["listening"], during));
  }

  /** Marks a machine as finished, and lets its guest do what it has put off until then. */
  async ready(id: string): Promise<void> {
    await this.change(id, { phase: "ready" });
    using agent = new Agent(this.sharedFolder(id));
    await agent.tellVerified();
  }

  /** Marks machines as known to Pulumi's state. Synchronous: for the last moments of a process. */
  commitSync(ids: readonly string[]): void {
    for (const id of ids) commitSync(join(this.paths.records, "machines", `${id}.json`));
  }

  /** Who may log in, changed on the running guest, and on its identity disk for its next reboot. */
  async changeAccess(id: string, access: Access, signal: AbortSignal): Promise<void> {
    using agent = new Agent(this.sharedFolder(id));
    await agent.applyAccess(await accessTar(access), signal);
    const kept = JSON.parse(await readFile(this.file(id, IDENTITY_FILE), "utf8")) as KeptIdentity;
    const disk = asDisk(await identityTar(kept.identity, access, kept));
    await writeFile(join(this.sharedFolder(id), IDENTITY_DISK), disk, { flag: "r+" }); // qemu has it open: no new file
  }

  /** Changes when a running machine ends; `undefined`: never. */
  async changeLifetime(id: string, lifetime: number | undefined): Promise<void> {
    const record = await this.records.read(id);
    if (record === undefined) return;
    if (record.expiry !== undefined) stopExpiry(record.expiry);
    const { expiresAt: _, expiry: __, ...rest } = record;
    if (lifetime === undefined) return this.records.write(id, rest);
    const expiresAt = Math.floor(Date.now() / 1_000) + lifetime;
    await this.records.write(id, { ...rest, expiresAt });
    await this.change(id, { expiry: await startExpiry(id, lifetime, this.file(id, "expiry.log")) });
  }

  /** Whether the machine's qemu runs. Looks at the process, not at podman: takes microseconds. */
  async isAlive(id: string): Promise<boolean> {
    const record = await this.records.read(id);
    return record?.qemu !== undefined && isAlive(record.qemu);
  }

  /** A machine's record; `undefined` when there is no such machine. */
  async record(id: string): Promise<MachineRecord | undefined> {
    return this.records.read(id);
  }

  /** All machines that we know of, by id. */
  async list(): Promise<Map<string, MachineRecord>> {
    return this.records.list();
  }

  /** Path of a file in a machine's folder that the guest's container does not see. */
  file(id: string, name: string): string {
    return join(this.paths.machines, id, name);
  }

  /** Writes such a file, for this user only. */
  async keepFile(id: string, name: string, text: string): Promise<string> {
    const path = this.file(id, name);
    await writeFile(path, text, { mode: 0o600 });
    await chmod(path, 0o600);
    return path;
  }

  /** The console's last lines. */
  async console(id: string): Promise<string> {
    return lastConsoleLines(this.consoleLog(id));
  }

  /** Ends a machine and removes all that is of it. Succeeds when it is already gone. */
  async remove(id: string, signal: AbortSignal): Promise<void> {
    const record = await this.records.read(id);
    if (record?.expiry !== undefined && record.expiry.pid !== process.pid) stopExpiry(record.expiry);
    await removeContainers(this.podman, id, await this.parts(id), signal);
    await rm(join(this.paths.machines, id), { recursive: true, force: true });
    await this.records.remove(id);
  }

  /** Forgets a machine of which there is nothing but a record, or the beginning of one. */
  async forget(id: string): Promise<void> {
    await this.records.remove(id);
  }

  /** Parts of a machine that have containers of their own: each has a folder before it has that. */
  private async parts(id: string): Promise<string[] | undefined> {
    const names = await readdir(this.sharedFolder(id)).catch(() => undefined); // lost: whoever knows is podman
    return names?.filter((name) => isMountTag(name));
  }

  private async change(id: string, change: Partial<MachineRecord>): Promise<void> {
    const record = await this.records.read(id);
    if (record === undefined) throw new Error(`machine ${id} was removed while it was worked on`);
    await this.records.write(id, { ...record, ...change });
  }

  private sharedFolder(id: string): string {
    return sharedFolder(this.paths, id);
  }

  private consoleLog(id: string): string {
    return join(this.paths.machines, id, "console.log");
  }
}

const IDENTITY_FILE = "identity.json"; // in the machine's folder, out of its container's sight
const REMOVAL_MS = 60_000; // takes 0.3 s; a host that swaps takes longer
