import { readdir, rm, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { MayflyError } from "../errors";
import { orCleanUp } from "../host/clean-up";
import { readFileIfExists } from "../host/files";
import type { Podman } from "../host/podman";
import { identifySelf, isAlive, type ProcessIdentity } from "../host/process-identity";
import type { BootArtefacts } from "../images/artefacts";
import { withAgent } from "./agent-turn";
import type { BootTurns } from "./boot-turns";
import { removeContainers, type OnHost } from "./container";
import { findExits } from "./exits";
import { IDENTITY_DISK, makePipes, SCRATCH } from "./folder";
import type { KeptIdentity } from "./identity";
import { IDENTITY_FILE, PLAN_FILE, type KeptPlan, type Launcher } from "./launcher";
import { DISK_MACHINE_FILES } from "./disk/command";
import { bootDisk, type DiskPlan } from "./disk/launcher";
import { isBootDisk, type LaunchPlan, type Progress } from "./plan";
import { diskFile, SWAP } from "./disks";
import { Qmp, type QmpEvent } from "./qmp";
import type { MachineRecord } from "./record";
import { retakeSeats } from "./seats";
import type { Shelf } from "./shelf";

const QUIT_MS = 20_000; // what qemu takes to write its disks, on a slow one
const LOOK_MS = 50;
const ASK_AGAIN_MS = 5_000; // a guest that restarts itself just then is told as it goes down, and hears nothing until it is up
const UNTOLD_SECONDS = 300; // for a boot of a machine that a former version has made: the default of a VM's bootTimeout

/** The lock under which a machine is turned on or off: one at a time. */
export function powerLock(id: string): string {
  return `power-${id}`;
}

/** Turns a machine off and on again: its record, keys, ports and scratch disk stay, what it had in memory does not. */
export class Power {
  /** @param shelf Where machines are kept. */
  constructor(
    private readonly shelf: Shelf,
    private readonly launcher: Launcher,
    private readonly podman: Podman,
    private readonly turns: BootTurns,
  ) {}

  /**
   * Has the guest shut down, and ends qemu where it does not in time. Succeeds when the machine is off already. One whose
   * guest has been told counts as stopped, also when nobody waits for its end.
   *
   * @param seconds How long the guest may take.
   * @returns Whether the guest has shut down by itself.
   */
  async off(id: string, seconds: number, signal: AbortSignal): Promise<boolean> {
    const { qemu } = await this.known(id);
    await this.keptPlan(id); // what could not be started again is not stopped
    const isOrderly = qemu === undefined || !isAlive(qemu) || (await this.shutDown(id, qemu, seconds, signal));
    await removeContainers(this.podman, id, await this.shelf.parts(id), signal);
    await this.tidy(id);
    const { qemu: _, template: __, ...rest } = await this.known(id);
    await this.shelf.records.write(id, { ...rest, stoppedAt: now() });
    return isOrderly;
  }

  /** How long a boot of the machine may take, in seconds, as it was asked for when it was made. */
  async bootTimeout(id: string): Promise<number> {
    const text = await readFileIfExists(this.shelf.file(id, PLAN_FILE));
    return text === undefined ? UNTOLD_SECONDS : (JSON.parse(text) as KeptPlan).bootTimeout;
  }

  /**
   * Boots a machine that is off through its kernel, as the machine that it was. On failure it is off again. Succeeds when it
   * runs already.
   *
   * @param boot Boot artefacts of its image; absent: those that it had.
   * @throws {MayflyError} `NOT_FOUND` where they are gone, `PORT_TAKEN`, `ADDRESS_TAKEN`, `BOOT_FAILED`, `BOOT_TIMEOUT`, and
   * podman's own.
   */
  async on(id: string, boot: BootArtefacts | undefined, progress: Progress): Promise<void> {
    const { signal } = progress;
    const record = await this.known(id);
    if (record.qemu !== undefined && isAlive(record.qemu)) return; // another one has started it meanwhile
    const plan = await this.planOf(id, record, boot, signal);
    const { boot: from } = plan;
    await removeContainers(this.podman, id, await this.shelf.parts(id), signal); // of a start that was killed
    await this.tidy(id);
    const { qemu: _, template: __, ...rest } = record;
    const places = { locks: this.shelf.paths.locks, records: this.shelf.records };
    await retakeSeats(
      id,
      record,
      places,
      signal,
      async () => this.shelf.records.write(id, { ...rest, madeBy: identifySelf(), boot: from.version }), // the switches look
    );
    await writeFile(this.shelf.consoleLog(id), ""); // else a watch would find the last boot's last words
    const bootIt = async () => {
      const onHost = await this.turns.take(plan.spec, progress, async () =>
        isBootDisk(from)
          ? this.bootDisk(id, { ...plan, boot: from }, signal)
          : this.bootImage(id, { ...plan, boot: from }, signal),
      );
      await this.launcher.noteRunning(id, onHost);
    };
    const turnOff = async () =>
      removeContainers(this.podman, id, await this.shelf.parts(id), AbortSignal.timeout(QUIT_MS));
    await orCleanUp(bootIt, turnOff, { what: `the container of ${id}`, remedy: `mayfly stop ${id}` });
    await this.takeBackStop(id);
  }

  /** What a machine that is off is started by, from those artefacts or else those that it had. */
  private async planOf(id: string, record: MachineRecord, boot: BootArtefacts | undefined, signal: AbortSignal) {
    const plan = await this.keptPlan(id);
    const from = boot ?? plan.boot;
    if (!existsSync(isBootDisk(from) ? join(from.folder, from.file) : from.initramfs)) throw gone(id, record);
    const kept = JSON.parse((await readFileIfExists(this.shelf.file(id, IDENTITY_FILE))) ?? "{}") as KeptIdentity;
    const { seats = [], identity } = kept;
    // Plans of former versions have no exits: an image's are with its identity, a disk's were nowhere.
    const exits = plan.exits ?? kept.exits ?? (await findExits(plan.spec.allow, signal));
    return { ...plan, owner: record.owner, seats, exits, identity, boot: from };
  }

  private async bootImage(
    id: string,
    plan: LaunchPlan & Pick<KeptPlan, "bootTimeout">,
    signal: AbortSignal,
  ): Promise<OnHost> {
    await makePipes(this.shelf.shared(id), plan.seats, signal);
    const onHost = await this.launcher.launch(id, plan, { start: "cold", slots: 0 }, signal);
    await this.launcher.noteRunning(id, onHost); // it shows from now on, whatever becomes of us
    await this.launcher.waitListening(id, plan.bootTimeout, signal);
    return onHost;
  }

  private async bootDisk(
    id: string,
    { disk: start, ...plan }: Omit<KeptPlan, "exits"> & Pick<DiskPlan, "owner" | "exits" | "boot">,
    signal: AbortSignal,
  ): Promise<OnHost> {
    if (start === undefined) throw new Error(`${PLAN_FILE} of ${id} does not say how its disk is booted`);
    const { launcher, podman } = this;
    return bootDisk(id, { ...plan, start }, { launcher, podman }, signal);
  }

  /** By whichever way the guest hears: its agent, or the power button. */
  private async shutDown(id: string, qemu: ProcessIdentity, seconds: number, signal: AbortSignal): Promise<boolean> {
    const patience = (ms: number) => AbortSignal.any([signal, AbortSignal.timeout(Math.min(ms, QUIT_MS))]);
    await this.shelf.change(id, { stoppedAt: now() }); // whatever becomes of us
    // It may have gone already.
    using qmp = await Qmp.connect(this.shelf.shared(id), "qmp.sock", patience(QUIT_MS)).catch(() => undefined);
    const restarts: QmpEvent[] = [];
    qmp?.on("event", (event) => event.event === "RESET" && restarts.push(event));
    const isTold = await this.askToShutDown(id, qmp, patience(QUIT_MS));
    if (signal.aborted && !isTold && qmp === undefined) await this.takeBackStop(id);
    const deadline = performance.now() + seconds * 1_000; // not the clock's, a step of which would cut the guest's power early
    for (let left = seconds * 1_000; left >= 0; left = deadline - performance.now()) {
      if (await endsWithin(qemu, Math.min(left, ASK_AGAIN_MS), signal)) return true;
      if (restarts.length > 0) await this.askToShutDown(id, qmp, patience(ASK_AGAIN_MS));
    }
    await qmp?.execute("quit", undefined, patience(QUIT_MS)).catch(() => undefined);
    await endsWithin(qemu, QUIT_MS, signal); // what is left then, podman kills
    return false;
  }

  /** Returns whether the agent could be told; what it makes of it, nobody knows. */
  private async askToShutDown(id: string, qmp: Qmp | undefined, patience: AbortSignal): Promise<boolean> {
    const isTold = await withAgent(this.shelf, id, patience, async (agent) => agent.tellPowerOff()).then(
      () => true,
      () => false, // it hangs
    );
    await qmp?.execute("system_powerdown", undefined, patience).catch(() => undefined);
    return isTold;
  }

  private async takeBackStop(id: string): Promise<void> {
    const { stoppedAt: _, ...running } = await this.known(id);
    await this.shelf.records.write(id, running);
  }

  /** Leaves in the machine's folder what it is started from again. */
  private async tidy(id: string): Promise<void> {
    const folder = this.shelf.shared(id);
    const { disks } = (await this.keptPlan(id)).spec;
    const kept = new Set([
      ...[IDENTITY_DISK, SCRATCH, SWAP, ...disks.map((_, index) => diskFile(index))],
      ...Object.values<string>(DISK_MACHINE_FILES),
    ]);
    for (const name of await readdir(folder))
      if (!kept.has(name)) await rm(join(folder, name), { recursive: true, force: true });
  }

  private async keptPlan(id: string): Promise<KeptPlan> {
    const text = await readFileIfExists(this.shelf.file(id, PLAN_FILE));
    if (text !== undefined) return JSON.parse(text) as KeptPlan;
    throw new MayflyError("NOT_FOUND", `${id} can't be stopped and started`, {
      evidence: `it was not finished, or is a former version's: it has no ${PLAN_FILE}`,
      remedy: `mayfly rm ${id}, and make it anew`,
    });
  }

  private async known(id: string): Promise<MachineRecord> {
    const record = await this.shelf.records.read(id);
    if (record !== undefined) return record;
    throw new MayflyError("NOT_FOUND", `there is no machine ${id}`, { remedy: "see: mayfly ls" });
  }
}

/** Seconds since 1970. */
function now(): number {
  return Math.floor(Date.now() / 1_000);
}

/** Whether a process ends within a time. The kernel tells nobody but its parent. */
async function endsWithin(process: ProcessIdentity, ms: number, signal: AbortSignal): Promise<boolean> {
  const deadline = performance.now() + ms;
  while (isAlive(process)) {
    if (performance.now() > deadline) return false;
    await sleep(LOOK_MS, undefined, { signal });
  }
  return true;
}

function gone(id: string, { image }: MachineRecord): MayflyError {
  return new MayflyError("NOT_FOUND", `${id} has nothing to boot from any more`, {
    evidence: `the image ${image ?? ""} that it was made of is gone from podman's store, and its boot artefacts with it`,
    remedy: "pull or build that very image again, or make the VM anew",
  });
}
