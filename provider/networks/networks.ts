import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Owner } from "../context";
import { MayflyError } from "../errors";
import { orCleanUp } from "../host/clean-up";
import { startDetached } from "../host/detached";
import { withLock } from "../host/locks";
import type { Paths } from "../host/paths";
import { identifySelf, isAlive, signalProcess } from "../host/process-identity";
import { commitSync, Records } from "../host/records";
import { until } from "../host/until";
import type { NetworkRecord } from "./record";

const START_MS = 15_000; // 0.2 s on an idle host
const END_MS = 5_000;
const REMOVAL_MS = 30_000;
const EVIDENCE_LINES = 8;

/** The room of private networks: a record each, and a process that is its switch. */
export class Networks {
  private readonly records: Records<NetworkRecord>;

  /**
   * @param paths Where records and logs are kept.
   * @param script The switch's program.
   */
  constructor(
    private readonly paths: Pick<Paths, "networks" | "records" | "locks">,
    private readonly script = join(__dirname, "..", "switch.js"),
  ) {
    this.records = new Records<NetworkRecord>(this.folder);
  }

  /**
   * Makes a network. On failure nothing of it is left.
   *
   * @throws {MayflyError} `NETWORK_FAILED`
   */
  async create(id: string, owner: Owner, subnet: string, signal: AbortSignal): Promise<void> {
    const madeBy = identifySelf();
    await this.records.write(id, {
      owner,
      phase: "starting",
      madeBy,
      createdAt: Math.floor(Date.now() / 1_000),
      subnet,
    });
    const start = async () => {
      await this.ensure(id, signal);
      const record = await this.records.read(id);
      if (record === undefined) throw gone(id);
      await this.records.write(id, { ...record, phase: "ready" });
    };
    const left = { what: `the network ${id}`, remedy: "mayfly prune" };
    await orCleanUp(start, async () => this.remove(id, AbortSignal.timeout(REMOVAL_MS)), left);
  }

  /**
   * Sees to it that a network's switch runs. One that takes another's place finds all machines by itself.
   *
   * @throws {MayflyError} `NETWORK_FAILED`
   */
  async ensure(id: string, signal: AbortSignal): Promise<void> {
    if (await this.isUp(id)) return;
    await withLock(this.paths.locks, `network-${id}`, signal, async () => {
      if (await this.isUp(id)) return;
      if ((await this.records.read(id)) === undefined) throw gone(id);
      await this.start(id, signal);
    });
  }

  private async start(id: string, signal: AbortSignal): Promise<void> {
    await mkdir(join(this.paths.networks, id), { recursive: true, mode: 0o700 });
    const log = this.log(id);
    const diagnose = async () => ({
      evidence: (await readFile(log, "utf8").catch(() => "")).trim().split("\n").slice(-EVIDENCE_LINES).join("\n"),
      remedy: `see ${log}, and try again`,
    });
    const process_ = await startDetached(process.execPath, [this.script, id], log);
    const serves = async () => {
      if (await this.isUp(id)) return true;
      if (isAlive(process_)) return undefined;
      throw new MayflyError("NETWORK_FAILED", "the switch of a private network did not start", await diagnose());
    };
    const patience = AbortSignal.any([signal, AbortSignal.timeout(START_MS)]);
    await until("a network's switch runs", serves, { signal: patience, interval: 20, diagnose });
  }

  /** Whether a network's switch runs. Takes microseconds. */
  async isUp(id: string): Promise<boolean> {
    const record = await this.records.read(id);
    return record?.switch !== undefined && isAlive(record.switch);
  }

  /** Whether there is such a network, with or without its switch. */
  async exists(id: string): Promise<boolean> {
    return (await this.records.read(id)) !== undefined;
  }

  /** All networks that we know of, by id. */
  async list(): Promise<Map<string, NetworkRecord>> {
    return this.records.list();
  }

  /** Ids of networks whose records can't be read: nobody can work with them, but {@link remove} takes them away. */
  async unreadable(): Promise<string[]> {
    return this.records.unreadable();
  }

  /** Path of the log of a network's switch. */
  log(id: string): string {
    return join(this.paths.networks, id, "switch.log");
  }

  /** Marks networks as known to Pulumi's state. Synchronous: for the last moments of a process. */
  commitSync(ids: readonly string[]): void {
    for (const id of ids) commitSync(join(this.folder, `${id}.json`));
  }

  /** Ends a network and removes all that is of it. Succeeds when it is already gone. */
  async remove(id: string, signal: AbortSignal): Promise<void> {
    await withLock(this.paths.locks, `network-${id}`, signal, async () => {
      const record = await this.records.read(id);
      if (record?.switch !== undefined) await endProcess(record.switch, signal);
      await rm(join(this.paths.networks, id), { recursive: true, force: true });
      await this.records.remove(id);
    });
  }

  private get folder(): string {
    return join(this.paths.records, "networks");
  }
}

async function endProcess(process_: NonNullable<NetworkRecord["switch"]>, signal: AbortSignal): Promise<void> {
  const ended = async (name: NodeJS.Signals) => {
    signalProcess(process_, name);
    await until("a network's switch ends", () => Promise.resolve(isAlive(process_) ? undefined : true), {
      signal: AbortSignal.any([signal, AbortSignal.timeout(END_MS)]),
      interval: 10,
      diagnose: () => ({ remedy: `end it by hand, and run again: kill -9 ${String(process_.pid)}` }),
    });
  };
  await ended("SIGTERM").catch(async () => ended("SIGKILL"));
}

function gone(id: string): MayflyError {
  return new MayflyError("NETWORK_FAILED", `the network ${id} is gone`, {
    remedy:
      "run `pulumi refresh`, then `pulumi up`: it makes the network, and its VMs, anew; a VM of `mayfly run`: " +
      "`mayfly rm` it, and run it again",
  });
}
