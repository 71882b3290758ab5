import { readFileSync, writeFileSync } from "node:fs";
import { chmod, mkdir, open, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Owner } from "../context";
import { MayflyError } from "../errors";
import { PASSABLE, type Paths } from "../host/paths";
import type { Podman } from "../host/podman";
import { identifyProcess, isAlive } from "../host/process-identity";
import { Records } from "../host/records";
import { run } from "../host/run";
import type { BootArtefacts } from "../images/artefacts";
import { chooseAccelerator } from "./accelerator";
import { Agent, AGENT_PIPES } from "./agent";
import { waitListening } from "./boot";
import { lastConsoleLines } from "./console";
import { containerName, inspectContainer, removeContainers, startContainer } from "./container";
import { startExpiry, stopExpiry } from "./expiry";
import { accessTar, identityTar, newMac, newMachineId } from "./identity";
import { startMount } from "./mounts";
import { containerPort, qemuCommand, SSH_CONTAINER_PORT } from "./qemu-command";
import type { MachineRecord } from "./record";
import type { Accelerator, Access, Identity, MachineSpec, MountSpec, PortSpec } from "./spec";

/** A machine to be made. */
export interface MachinePlan {
  readonly owner: Owner;
  readonly spec: MachineSpec;
  readonly identity: Identity;
  readonly access: Access;
  readonly boot: BootArtefacts;
  /** Seconds that it lives; absent: until it is removed. */
  readonly lifetime: number | undefined;
}

/** A machine that runs. */
export interface StartedMachine {
  /** Port of the host, at 127.0.0.1, that leads to the guest's sshd. */
  readonly sshPort: number;
  /** The declared ports, each with the host port that it has. */
  readonly ports: readonly PortSpec[];
  /** Path of the console's log. */
  readonly consoleLog: string;
}

/** The room of machines: one container with qemu in it each, its folder, and its record. */
export class Machines {
  private readonly records: Records<MachineRecord>;

  /** @param paths Where folders and records are kept. */
  constructor(
    private readonly paths: Paths,
    private readonly podman: Podman,
  ) {
    this.records = new Records<MachineRecord>(join(paths.records, "machines"));
  }

  /** What tells a machine from all others. */
  newNumbers(): Pick<Identity, "machineId" | "mac"> {
    return { machineId: newMachineId(), mac: newMac() };
  }

  /** The accelerator to use. Throws `KVM_UNUSABLE` when KVM is asked for and does not work here. */
  async chooseAccelerator(wanted: "auto" | Accelerator, signal: AbortSignal): Promise<Accelerator> {
    return chooseAccelerator(this.paths, wanted, signal);
  }

  /** Starts qemu in its container; the guest boots from then on. On failure nothing of it is left. */
  async start(id: string, plan: MachinePlan, signal: AbortSignal): Promise<StartedMachine> {
    const madeBy = identifyProcess(process.pid);
    if (madeBy === undefined) throw new Error("this process is not in /proc: is it mounted?");
    const { owner, lifetime } = plan;
    const createdAt = Math.floor(Date.now() / 1_000);
    const expiresAt = lifetime === undefined ? {} : { expiresAt: createdAt + lifetime };
    await this.records.write(id, { owner, phase: "starting", madeBy, createdAt, ...expiresAt });
    return this.orRemove(id, async () => {
      await this.furnish(id, plan, signal);
      const machine = { id, owner, folder: this.sharedFolder(id) };
      await Promise.all(plan.spec.mounts.map((mount, index) => startMount(this.podman, machine, mount, index, signal)));
      const command = qemuCommand(containerName(id), plan.spec, plan.identity, {
        initramfs: plan.boot.initramfs.slice(plan.boot.folder.length + 1),
      });
      const container = {
        ...machine,
        machine: plan.spec,
        artefacts: plan.boot.folder,
        log: this.consoleLog(id),
        command,
      };
      await startContainer(this.podman, container, signal);
      return this.started(id, plan.spec.ports, lifetime, signal);
    });
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
  private async furnish(id: string, { identity, access, spec }: MachinePlan, signal: AbortSignal): Promise<void> {
    const folder = this.sharedFolder(id);
    await mkdir(folder, { recursive: true, mode: PASSABLE });
    await writeFile(this.consoleLog(id), "", { mode: 0o600 });
    await this.keepFile(id, IDENTITY_FILE, JSON.stringify({ identity, mounts: spec.mounts } satisfies KeptIdentity));
    await writeFile(join(folder, IDENTITY_DISK), await identityTar(identity, access, spec.mounts), { mode: 0o600 });
    await run("mkfifo", ["-m", "600", ...AGENT_PIPES.map((name) => join(folder, name))], { signal });
    if (spec.scratchMiB !== undefined) await makeScratch(join(folder, "scratch.img"), spec.scratchMiB, signal);
  }

  private async started(
    id: string,
    ports: readonly PortSpec[],
    lifetime: number | undefined,
    signal: AbortSignal,
  ): Promise<StartedMachine> {
    const container = await inspectContainer(this.podman, id, signal);
    const sshPort = container?.ports.get(`${String(SSH_CONTAINER_PORT)}/tcp`);
    if (container?.process === undefined || sshPort === undefined) {
      throw new MayflyError("BOOT_FAILED", `qemu did not start: its container is ${container?.status ?? "gone"}`, {
        evidence: await this.console(id),
        remedy: "see what qemu says above; a size or kernelArgs that this host cannot serve is the usual cause",
      });
    }
    await this.change(id, { qemu: container.process });
    if (lifetime !== undefined)
      await this.change(id, { expiry: await startExpiry(id, lifetime, this.file(id, "expiry.log")) });
    const hostPort = (port: PortSpec, index: number) =>
      container.ports.get(`${String(containerPort(index))}/${port.protocol}`) ?? port.host;
    return {
      sshPort,
      ports: ports.map((port, index) => ({ ...port, host: hostPort(port, index) })),
      consoleLog: this.consoleLog(id),
    };
  }

  /** Waits until the guest's sshd listens. Throws `BOOT_FAILED` or `BOOT_TIMEOUT` with the console's last lines. */
  async waitListening(id: string, signal: AbortSignal, seconds: number): Promise<void> {
    using agent = new Agent(this.sharedFolder(id));
    await waitListening(
      this.podman,
      { id, folder: this.sharedFolder(id), log: this.consoleLog(id) },
      agent,
      signal,
      seconds,
    );
  }

  /** Marks a machine as finished. */
  async ready(id: string): Promise<void> {
    await this.change(id, { phase: "ready" });
  }

  /** Marks machines as known to Pulumi's state. Synchronous: for the last moments of a process. */
  commitSync(ids: readonly string[]): void {
    for (const id of ids) {
      const file = join(this.paths.records, "machines", `${id}.json`);
      try {
        const record = JSON.parse(readFileSync(file, "utf8")) as MachineRecord;
        if (record.phase === "ready") writeFileSync(file, JSON.stringify({ ...record, phase: "committed" }, null, 2));
      } catch {
        // Gone meanwhile, or no machine's id: nothing to mark.
      }
    }
  }

  /** Who may log in, changed on the running guest, and on its identity disk for its next reboot. */
  async changeAccess(id: string, access: Access, signal: AbortSignal): Promise<void> {
    using agent = new Agent(this.sharedFolder(id));
    await agent.applyAccess(await accessTar(access), signal);
    const { identity, mounts } = JSON.parse(await readFile(this.file(id, IDENTITY_FILE), "utf8")) as KeptIdentity;
    await writeFile(join(this.sharedFolder(id), IDENTITY_DISK), await identityTar(identity, access, mounts));
  }

  /** Changes when a running machine ends; `undefined`: never. */
  async changeLifetime(id: string, lifetime: number | undefined): Promise<void> {
    const record = await this.records.read(id);
    if (record === undefined) return;
    if (record.expiry !== undefined) stopExpiry(record.expiry);
    const { expiresAt: _, expiry: __, ...rest } = record;
    if (lifetime === undefined) {
      await this.records.write(id, rest);
      return;
    }
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
    await removeContainers(this.podman, id, signal);
    await rm(join(this.paths.machines, id), { recursive: true, force: true });
    await this.records.remove(id);
  }

  private async change(id: string, change: Partial<MachineRecord>): Promise<void> {
    const record = await this.records.read(id);
    if (record === undefined) throw new Error(`machine ${id} was removed while it was worked on`);
    await this.records.write(id, { ...record, ...change });
  }

  private sharedFolder(id: string): string {
    return join(this.paths.machines, id, "shared");
  }

  private consoleLog(id: string): string {
    return join(this.paths.machines, id, "console.log");
  }
}

/** What a machine keeps of itself beside the disk made of it. */
interface KeptIdentity {
  readonly identity: Identity;
  readonly mounts: readonly MountSpec[];
}

const IDENTITY_FILE = "identity.json"; // in the machine's folder, out of its container's sight
const IDENTITY_DISK = "identity.tar"; // in the folder that the container shares
const REMOVAL_MS = 60_000; // takes 0.3 s; a host that swaps takes longer

/** A sparse file with an empty ext4 on it. */
async function makeScratch(path: string, mib: number, signal: AbortSignal): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.truncate(mib * 1_048_576);
  } finally {
    await file.close();
  }
  await run(
    "/usr/sbin/mke2fs",
    ["-q", "-t", "ext4", "-O", "^has_journal", "-m", "0", "-E", "lazy_itable_init=1", path],
    { signal },
  );
}
