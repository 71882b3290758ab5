import { existsSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { MayflyError } from "../errors";
import { orCleanUp } from "../host/clean-up";
import { rewriteUntrusted } from "../host/files";
import type { Paths } from "../host/paths";
import type { Podman } from "../host/podman";
import { identifySelf, isAlive } from "../host/process-identity";
import { isLocked, removeDeadLocks, removeIfDead, withLock } from "../host/locks";
import { commitSync } from "../host/records";
import type { BootArtefacts } from "../images/artefacts";
import { chooseAccelerator } from "./accelerator";
import { Admission } from "./admission";
import { GUEST_SSH_PORT, type Agent } from "./agent";
import { BootTurns } from "./boot-turns";
import { agentLock, withAgent } from "./agent-turn";
import { lastConsoleLines } from "./console";
import { removeContainers } from "./container";
import { startFromDisk } from "./disk/launcher";
import { settleCommand, type GuestCommand } from "./disk/settle";
import { startLifetime, stopExpiry } from "./expiry";
import { IDENTITY_DISK } from "./folder";
import { findExits } from "./exits";
import { startFromImage } from "./image-start";
import { bootsInUse, templatesInUse } from "./in-use";
import { accessTar, asDisk, identityTar, newMac, newMachineId, type KeptIdentity } from "./identity";
import { orKeepConsole } from "./kept-consoles";
import { IDENTITY_FILE, Launcher } from "./launcher";
import { obstacles, type Demand, type Obstacle, type Others } from "./obstacles";
import { architectureOf, isBootDisk, type MachinePlan, type Progress, type StartedMachine } from "./plan";
import { firstRecord, type MachineRecord, type RecordedPlan } from "./record";
import { Power, powerLock } from "./power";
import { Shelf } from "./shelf";
import { bareSpec, type Accelerator, type Access, type Identity } from "./spec";
import { takeSeats, type Seat } from "./seats";
import { findOrMake, type SizedTemplatePlan, type Workshop } from "./template-maker";
import { Templates, type ListedTemplate, type Template } from "./templates";

/** The room of machines: one container with qemu in it each, its folder, and its record. */
export class Machines {
  /** Port at which a machine's SSH server answers in its private networks. */
  readonly guestSshPort = GUEST_SSH_PORT;
  private readonly shelf: Shelf;
  private readonly launcher: Launcher;
  /** What resources have asked for in this process, which sees one program. */
  private readonly claims: Omit<Others, "records"> = { claims: [], addressClaims: [] };
  private readonly templates: Templates;
  private readonly admission = new Admission();
  private readonly turns = new BootTurns();
  private readonly workshop: Workshop;
  private readonly power: Power;

  /** @param paths Where folders and records are kept. */
  constructor(
    private readonly paths: Paths,
    private readonly podman: Podman,
  ) {
    this.shelf = new Shelf(paths);
    this.launcher = new Launcher(this.shelf, podman);
    this.templates = new Templates(paths);
    this.power = new Power(this.shelf, this.launcher, podman, this.turns);
    this.workshop = {
      ...{ podman, templates: this.templates, turns: this.turns },
      // It becomes no VM: without the image's name none is listed.
      begin: async (id, { owner, spec, boot }, signal) => this.begin(id, { owner, spec, boot }, signal),
      launch: async (id, plan, how, signal) => {
        await this.launcher.launch(id, { ...plan, identity: { mac: newMac() }, seats: [], exits: [] }, how, signal);
      },
      booting: (id) => this.launcher.booting(id),
      orKeepConsole: async (id, work) => this.orKeepConsole(id, work),
      discard: async (id) => this.remove(id, AbortSignal.timeout(REMOVAL_MS)),
      inUse: async () => templatesInUse(this.shelf.records),
    };
  }

  /** What tells a machine from all others. */
  newNumbers(): Pick<Identity, "machineId" | "mac"> {
    return { machineId: newMachineId(), mac: newMac() };
  }

  /**
   * The accelerator to use for what an image was made into. Throws `KVM_UNUSABLE` when KVM is asked for and does not work
   * here, or not for that processor. Says once why KVM is not used, where there is one.
   */
  async chooseAccelerator(
    wanted: "auto" | Accelerator,
    boot: MachinePlan["boot"],
    progress: Pick<Progress, "signal" | "say">,
  ): Promise<Accelerator> {
    return chooseAccelerator(this.paths, wanted, architectureOf(boot).name, progress);
  }

  /** What stands in the way of a new machine on this host, all of it. Changes nothing. */
  async obstacles(demand: Demand, signal: AbortSignal): Promise<Obstacle[]> {
    return obstacles(demand, this.paths, { records: await this.shelf.records.list(), ...this.claims }, signal);
  }

  /**
   * Brings a machine up until its guest's sshd can be asked: from a template where that is possible and wanted, else
   * through its kernel. On failure what there is of it stays, to be looked at: see {@link orRemove}.
   *
   * @throws {MayflyError} `BAD_INPUT` for a name in `allow` that leads nowhere, `BOOT_FAILED` or `BOOT_TIMEOUT` with the console's last lines, `PORT_TAKEN`,
   * `ADDRESS_TAKEN`, `NETWORK_FAILED`, and podman's own.
   */
  async start(id: string, asked: MachinePlan, progress: Progress): Promise<StartedMachine> {
    const exits = await findExits(asked.spec.allow, progress.signal);
    const seats = await this.begin(id, asked, progress.signal);
    const { boot } = asked;
    const { launcher, podman, shelf, turns, workshop } = this;
    return isBootDisk(boot)
      ? startFromDisk(id, { ...asked, boot, exits, seats }, { launcher, podman, turns }, progress)
      : startFromImage(id, { ...asked, boot, exits, seats }, { launcher, podman, shelf, turns, workshop }, progress);
  }

  /**
   * Works, up to a login, with a guest whose sshd can be asked. However long that takes: a guest may restart its sshd, or
   * itself, in its first minute. Ends at once when the machine does.
   *
   * @throws {MayflyError} `BOOT_FAILED` or `BOOT_TIMEOUT` with the console's last lines, and what the work throws.
   */
  async whileUp(
    id: string,
    seconds: number,
    signal: AbortSignal,
    work: (signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    await this.launcher.whileUp(id, seconds, signal, work);
  }

  private async begin(id: string, plan: RecordedPlan, signal: AbortSignal): Promise<readonly Seat[]> {
    const madeBy = identifySelf();
    const places = { locks: this.paths.locks, records: this.shelf.records };
    return takeSeats(plan.spec.segments, places, signal, async (seats) =>
      this.shelf.records.write(id, firstRecord(plan, madeBy, seats)),
    );
  }

  /** Makes sure that there is a template for machines like this one; returns its key. See {@link findOrMake}. */
  async ensureTemplate({ size, ...rest }: SizedTemplatePlan, progress: Progress): Promise<string> {
    const make = () => findOrMake(this.workshop, { ...rest, spec: bareSpec(size) }, progress);
    return (await this.inTurn(size.memoryMiB, progress, make)).key;
  }

  /** All templates, the most recently used first, and how many machines run from each. */
  async allTemplates(): Promise<(ListedTemplate & { readonly machines: number })[]> {
    const users = [...(await this.shelf.records.list()).values()].map(({ template }) => template);
    return (await this.templates.list()).map((template) => ({
      ...template,
      machines: users.filter((key) => key === template.key).length,
    }));
  }

  /** Removes a template. Machines that run from it keep what they need of it. */
  async removeTemplate(key: string): Promise<void> {
    await this.templates.remove(key);
  }

  /** Keys of templates whose maker was killed half-way. */
  async killedTemplates(): Promise<string[]> {
    return this.templates.killed();
  }

  /** Removes what such a maker has left. */
  async removeKilledTemplate(key: string): Promise<void> {
    await this.templates.removeKilled(key);
  }

  /** Starts a machine when it is its turn: see {@link Admission}. */
  async inTurn<T>(memoryMiB: number, progress: Progress, work: () => Promise<T>): Promise<T> {
    return this.admission.inTurn(memoryMiB, progress, work);
  }

  /** Versions of the boot artefacts that machines and templates were made from. @param doomed Templates that do not count. */
  async bootsInUse(doomed: ReadonlySet<string> = new Set()): Promise<string[]> {
    return bootsInUse(this.shelf.records, this.templates, doomed);
  }

  /**
   * Runs work on a machine that is being made; when that fails, nothing of the machine is left but its console, which the
   * error names.
   */
  async orRemove<T>(id: string, work: () => Promise<T>): Promise<T> {
    return orCleanUp(
      async () => this.orKeepConsole(id, work),
      async () => this.remove(id, AbortSignal.timeout(REMOVAL_MS)),
      {
        what: `the machine ${id}`,
        remedy: "mayfly prune",
      },
    );
  }

  private async orKeepConsole<T>(id: string, work: () => Promise<T>): Promise<T> {
    return orKeepConsole({ folder: this.paths.failed, id, log: this.shelf.consoleLog(id) }, work);
  }

  /**
   * Marks a machine as finished. Its guest has all its CPUs from then on, and does what it has put off until then once no
   * other machine starts any more, as that takes half as long as a start. A guest that hears nothing begins by itself, see
   * `patience` in guest/agent.sh.
   *
   * @param proven The template that it came from, where it has shown that root's commands run on what that has: the next
   * machine need not show that.
   */
  async ready(id: string, proven?: Template): Promise<void> {
    await this.shelf.change(id, { phase: "ready" }, "for good");
    if (proven !== undefined) await this.templates.noteRunsCommands(proven);
    if ((await this.shelf.records.read(id))?.agentless === true) return;
    const tell = async (work: (agent: Agent) => Promise<void>) =>
      withAgent(this.shelf, id, AbortSignal.timeout(TELL_MS), work).catch(() => undefined); // it begins by itself
    await tell(async (agent) => agent.tellCpus());
    await this.admission.later(async () => tell(async (agent) => agent.tellVerified()));
  }

  /** Marks machines as known to Pulumi's state. Synchronous: for the last moments of a process. */
  commitSync(ids: readonly string[]): void {
    for (const id of ids) commitSync(join(this.paths.records, "machines", `${id}.json`));
  }

  /**
   * Who may log in, changed on the running guest, and on its identity disk for its next reboot. One caller after another:
   * else one's keys might be in force now, and another's after the reboot.
   *
   * @throws {MayflyError} `TOOL_FAILED` with the guest's words, or where the guest has no agent of ours.
   */
  async changeAccess(id: string, access: Access, signal: AbortSignal): Promise<void> {
    if ((await this.shelf.records.read(id))?.agentless === true) throw noAgent(id);
    const tar = await accessTar(access);
    await withAgent(this.shelf, id, signal, async (agent) => {
      await agent.applyAccess(tar, signal);
      const kept = JSON.parse(await readFile(this.shelf.file(id, IDENTITY_FILE), "utf8")) as KeptIdentity;
      const disk = asDisk(await identityTar(kept.identity, access, kept));
      await rewriteUntrusted(join(this.shelf.shared(id), IDENTITY_DISK), disk); // qemu has it open: no new file
    });
  }

  /** See {@link settleCommand}. */
  async settleCommand(...args: Parameters<typeof settleCommand>): Promise<GuestCommand> {
    return settleCommand(...args);
  }

  /** Changes when a running machine ends; `undefined`: never. */
  async changeLifetime(id: string, lifetime: number | undefined): Promise<void> {
    const record = await this.shelf.records.read(id);
    if (record === undefined) return;
    if (record.expiry !== undefined) stopExpiry(record.expiry);
    const { expiresAt: _, expiry: __, ...rest } = record;
    if (lifetime === undefined) return this.shelf.records.write(id, rest);
    await startLifetime(this.shelf, id, lifetime);
  }

  /**
   * Has a machine's guest shut down; the machine stays, and can be started again. See {@link Power.off}.
   *
   * @returns Whether the guest did so within the seconds it has; else qemu was ended.
   */
  async stop(id: string, seconds: number, signal: AbortSignal): Promise<boolean> {
    return withLock(this.paths.locks, powerLock(id), signal, async () => this.power.off(id, seconds, signal));
  }

  /** Boots a machine that was stopped, or has ended by itself, through its kernel. See {@link Power.on}. */
  async startAgain(id: string, boot: BootArtefacts | undefined, progress: Progress): Promise<void> {
    const record = await this.shelf.records.read(id);
    await this.inTurn(record?.size?.memoryMiB ?? 0, progress, async () =>
      withLock(this.paths.locks, powerLock(id), progress.signal, async () => this.power.on(id, boot, progress)),
    );
    const { expiresAt, expiry } = record ?? {};
    if (expiresAt !== undefined && (expiry === undefined || !isAlive(expiry)))
      await this.changeLifetime(id, Math.max(1, expiresAt - Math.floor(Date.now() / 1_000))); // the host has rebooted
  }

  /** How long a boot of a machine may take, in seconds, as it was asked for when the machine was made. */
  async bootTimeout(id: string): Promise<number> {
    return this.power.bootTimeout(id);
  }

  /**
   * Whether the machine's qemu runs, and its folder, without which nobody reaches it, is there. Looks at the process, not
   * at podman: takes microseconds.
   */
  async isAlive(id: string): Promise<boolean> {
    const record = await this.shelf.records.read(id);
    return record?.qemu !== undefined && isAlive(record.qemu) && existsSync(this.shelf.shared(id));
  }

  /** A machine's record; `undefined` when there is no such machine. */
  async record(id: string): Promise<MachineRecord | undefined> {
    return this.shelf.records.read(id);
  }

  /** All machines that we know of, by id. */
  async list(): Promise<Map<string, MachineRecord>> {
    return this.shelf.records.list();
  }

  /** Whether somebody is turning a machine on or off just now. */
  async isBeingTurned(id: string): Promise<boolean> {
    return isLocked(this.paths.locks, powerLock(id));
  }

  /** Ids of machines whose records can't be read: nobody can work with them, but {@link remove} takes them away. */
  async unreadable(): Promise<string[]> {
    return this.shelf.records.unreadable();
  }

  /** Path of a file in a machine's folder that the guest's container does not see. */
  file(id: string, name: string): string {
    return this.shelf.file(id, name);
  }

  /** Writes such a file, for this user only. */
  async keepFile(id: string, name: string, text: string): Promise<string> {
    return this.shelf.keepFile(id, name, text);
  }

  /** The console's last lines. */
  async console(id: string): Promise<string> {
    return lastConsoleLines(this.shelf.consoleLog(id));
  }

  /** Ends a machine and removes all that is of it. Succeeds when it is already gone. */
  async remove(id: string, signal: AbortSignal): Promise<void> {
    const record = await this.shelf.records.read(id);
    if (record?.expiry !== undefined && record.expiry.pid !== process.pid) stopExpiry(record.expiry);
    await removeContainers(this.podman, id, await this.shelf.parts(id), signal);
    // Its tunnel ends with it, and may write its last word into a folder that is being emptied.
    await rm(this.shelf.folder(id), { recursive: true, force: true, maxRetries: 5 });
    await this.shelf.records.remove(id);
    for (const name of [agentLock(id), powerLock(id)]) await removeIfDead(this.paths.locks, name);
  }

  /** Removes small things that nobody needs any more: locks of killed processes, notes that hold no more. */
  async sweep(): Promise<void> {
    await removeDeadLocks(this.paths.locks);
    await this.templates.removeOldRefusals();
  }

  /** Forgets a machine of which there is nothing but a record, or the beginning of one. */
  async forget(id: string): Promise<void> {
    await this.shelf.records.remove(id);
  }
}

const TELL_MS = 20_000; // no longer than a guest waits for the word
const REMOVAL_MS = 60_000; // takes 0.3 s; a host that swaps takes longer

function noAgent(id: string): MayflyError {
  return new MayflyError("TOOL_FAILED", `who may log in to ${id} can't be changed from outside`, {
    evidence: "it boots a disk of its own, in whose guest no agent of ours is",
    remedy: `change it over SSH: mayfly ssh ${id}`,
  });
}
