import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { Paths } from "../host/paths";
import type { Podman } from "../host/podman";
import { isAlive } from "../host/process-identity";
import { processUsage } from "../host/process-usage";
import type { GuestFacts, ReportSection } from "./agent";
import { withAgent } from "./agent-turn";
import { consoleText, fatalConsoleText, lastLines } from "./console";
import { inspectContainer } from "./container";
import { Qmp } from "./qmp";
import { SSH_CONTAINER_PORT } from "./qemu-command";
import { canStartAgain, type MachineRecord } from "./record";
import { Shelf } from "./shelf";

/** What can be seen of a machine from its host. */
export interface MachineSight {
  readonly record: MachineRecord | undefined;
  /** Whether another process makes it just now. That one has the agent, and nobody else may hear what is for it. */
  readonly isBeingMade: boolean;
  /** See `canStartAgain` of records. */
  readonly canStartAgain: boolean;
  /** `undefined`: there is none. */
  readonly container: { readonly status: string; readonly exitCode: number } | undefined;
  /** `undefined`: it does not run. */
  readonly qemu: QemuSight | undefined;
  /** Port of the host that leads to the guest's sshd, as podman has it. */
  readonly sshPort: number | undefined;
  readonly console: ConsoleSight;
}

/** What can be seen of a qemu that runs. */
export interface QemuSight {
  readonly pid: number;
  /** One letter of proc(5), `/proc/PID/stat`: `R`, `S`, `T`… */
  readonly processState: string;
  /** Share of one CPU that it used while it was looked at; above 1 with several. */
  readonly cpuShare: number;
  /** `running`, `paused`… in the words of QMP's `query-status`; `undefined`: it did not answer. */
  readonly status: string | undefined;
}

/** What the guest has said on its console. */
export interface ConsoleSight {
  /** Its last lines. */
  readonly last: string;
  /** Whether a kernel has started our first program: `guest/init.sh`. */
  readonly reachedUserspace: boolean;
  /** Whether nothing runs in the guest any more, by its own last words. */
  readonly isOver: boolean;
  /** Why that boot cannot go on, if it said so. */
  readonly fatal: string | undefined;
}

const QMP_MS = 1_500; // it answers within some 30 ms, but for one that is stopped, or that another client holds
const USAGE_MS = 200; // long enough to tell a CPU that is used up from one that is not

/** Looks at machines without changing anything of them. */
export class Inspection {
  private readonly shelf: Shelf;

  /** @param paths Where machines are kept. */
  constructor(
    paths: Paths,
    private readonly podman: Podman,
  ) {
    this.shelf = new Shelf(paths);
  }

  /** Looks at a machine from outside. */
  async look(id: string, signal: AbortSignal): Promise<MachineSight> {
    const [record, container, log] = await Promise.all([
      this.shelf.records.read(id),
      inspectContainer(this.podman, id, signal),
      readFile(this.shelf.consoleLog(id), "utf8").catch(() => ""),
    ]);
    return {
      record,
      isBeingMade: isBeingMade(record),
      canStartAgain: record !== undefined && canStartAgain(record),
      container: container && { status: container.status, exitCode: container.exitCode },
      qemu: container?.process && (await this.qemu(id, container.process.pid, signal)),
      sshPort: container?.ports.get(`${String(SSH_CONTAINER_PORT)}/tcp`),
      console: readConsole(consoleText(log)),
    };
  }

  /**
   * What the guest's agent tells; `undefined` when it has not answered within the time. Not for a machine that another
   * process makes.
   *
   * @param seconds Longest wait.
   */
  async report(
    id: string,
    { section, user, seconds }: { readonly section: ReportSection; readonly user: string; readonly seconds: number },
    signal: AbortSignal,
  ): Promise<GuestFacts | undefined> {
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(seconds * 1_000)]);
    try {
      return await withAgent(this.shelf, id, deadline, async (agent) => agent.report(section, user, deadline));
    } catch {
      signal.throwIfAborted();
      return undefined;
    }
  }

  /**
   * How far qemu's user network has brought the connections to the guest's sshd, one line each, in QEMU's words (`info
   * usernet`): `TCP[SYN_SENT]` is one that the guest does not answer.
   */
  async relays(id: string, signal: AbortSignal): Promise<readonly string[]> {
    const table = await this.ask(id, "human-monitor-command", { "command-line": "info usernet" }, signal);
    const lines = typeof table === "string" ? table.split("\n").map((line) => line.trim()) : [];
    return lines.filter((line) => line.startsWith("TCP[") && line.includes(` ${String(SSH_CONTAINER_PORT)} `));
  }

  private async qemu(id: string, pid: number, signal: AbortSignal): Promise<QemuSight | undefined> {
    const before = processUsage(pid);
    const [answer] = await Promise.all([this.ask(id, "query-status", undefined, signal), sleep(USAGE_MS)]);
    const after = processUsage(pid);
    if (before === undefined || after === undefined) return undefined;
    return {
      pid,
      processState: after.state,
      cpuShare: (after.cpuSeconds - before.cpuSeconds) / (after.ageSeconds - before.ageSeconds),
      status: (answer as { readonly status?: string } | undefined)?.status,
    };
  }

  /** Asks qemu one thing; `undefined` when it does not answer. Its control socket serves one client at a time. */
  private async ask(id: string, command: string, args: object | undefined, signal: AbortSignal): Promise<unknown> {
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(QMP_MS)]);
    try {
      using qmp = await Qmp.connect(this.shelf.shared(id), "qmp.sock", deadline);
      return await qmp.execute(command, args, deadline);
    } catch {
      signal.throwIfAborted();
      return undefined;
    }
  }
}

/** Whether another process makes the machine just now. */
function isBeingMade(record: MachineRecord | undefined): boolean {
  return record?.phase === "starting" && record.madeBy.pid !== process.pid && isAlive(record.madeBy);
}

const STARTED = "mayfly: starting"; // `guest/init.sh` says so when it hands over to the image's init
const FROM_INIT = /^mayfly: /m;
const LAST_WORDS = /^mayfly: cannot boot: |Kernel panic - not syncing: /m;
const LAST_LINES = 12;

/** What a console's text tells of the guest's last boot. Of boots before that one it holds the text too. */
export function readConsole(text: string): ConsoleSight {
  const begun = text.lastIndexOf(STARTED);
  const sinceThen = begun === -1 ? text : text.slice(begun);
  return {
    last: lastLines(text, LAST_LINES),
    reachedUserspace: FROM_INIT.test(text),
    fatal: fatalConsoleText(sinceThen),
    isOver: LAST_WORDS.test(sinceThen),
  };
}
