import { EventEmitter, on } from "node:events";
import type { Socket } from "node:net";
import { randomBytes } from "node:crypto";
import { MayflyError, type ErrorCode } from "../errors";
import { pipesOf } from "../host/paths";
import { openPipe } from "../host/sockets";

/** Guest port that the agent's SSH server listens on; `guest/agent.sh` has it too. */
export const GUEST_SSH_PORT = 64_022;

/** Name of the channel, a pair of pipes in the machine's folder. */
export const AGENT_CHANNEL = "agent";

// Root in the guest may send whatever it likes; none of it may cost this process its memory.
const MOST_OF_A_LINE = 1_048_576; // characters; an agent's longest has some hundred
const MOST_OF_A_REPORT = 131_072; // characters; the guest's `report` cuts it off at 32,768 bytes

/**
 * The host's end of the channel to the guest agent (`guest/agent.sh`). Pipes rather than a socket: they stay open when
 * we end, so the guest never sees a hang-up and never has to look for our return.
 */
export class Agent extends EventEmitter<{ line: [string]; error: [Error] }> implements Disposable {
  private readonly toGuest: Socket;
  private readonly fromGuest: Socket;
  private rest = "";
  private fault: Error | undefined;

  /** @param folder The machine's folder that its container shares. */
  constructor(folder: string) {
    super();
    const [toGuest, fromGuest] = pipesOf(AGENT_CHANNEL);
    this.toGuest = openPipe(folder, toGuest, "write");
    this.fromGuest = openPipe(folder, fromGuest, "read");
    for (const pipe of [this.toGuest, this.fromGuest]) pipe.on("error", () => undefined); // a wait's deadline reports it
    this.fromGuest.setEncoding("utf8");
    this.fromGuest.on("data", (text: string) => this.receive(text));
  }

  private receive(text: string): void {
    const [first = "", ...others] = text.split("\n"); // the part of a line that is here already holds none
    const lines = [this.rest + first, ...others];
    this.rest = lines.pop() ?? "";
    for (const line of lines) this.emit("line", line.replace(/\r$/, ""));
    if (this.rest.length > MOST_OF_A_LINE) this.giveUp(`a line of over ${String(MOST_OF_A_LINE)} characters`);
  }

  /** No more is heard of a guest that sends what no agent of ours would. */
  private giveUp(what: string): void {
    this.rest = "";
    this.fault = new MayflyError("TOOL_FAILED", "what comes from the guest's agent is none of an agent's words", {
      evidence: what,
      remedy: "something in that guest writes to its agent's port (mayfly.agent) as root: end it, or make the VM anew",
    });
    this[Symbol.dispose]();
    if (this.listenerCount("error") > 0) this.emit("error", this.fault); // else whoever waits next hears of it
  }

  private lines(signal: AbortSignal): AsyncIterable<[string]> {
    if (this.fault !== undefined) throw this.fault;
    return on(this, "line", { signal }) as AsyncIterable<[string]>;
  }

  /** Waits for a line that starts with one of the words. Throws `TOOL_FAILED` when the guest sends lines without end. */
  async waitFor(words: readonly string[], signal: AbortSignal): Promise<string> {
    for await (const [line] of this.lines(signal))
      if (words.some((word) => line === word || line.startsWith(`${word} `))) return line;
    throw new Error("the channel to the guest agent was closed");
  }

  /**
   * Sends who may log in, and waits until it is in force.
   *
   * @throws {MayflyError} `TOOL_FAILED` with the guest's words.
   */
  async applyAccess(tar: Buffer, signal: AbortSignal): Promise<void> {
    await this.tell("access", [tar], tar.length, signal);
  }

  /**
   * Makes a template's clone a machine of its own, and waits until it is. From then on it draws random numbers that no
   * other machine draws, and has the host's time.
   *
   * @throws {MayflyError} `TOOL_FAILED` with the guest's words.
   */
  async giveIdentity(tar: Buffer, signal: AbortSignal): Promise<void> {
    await this.tell("identity", [renewal(), tar], tar.length, signal);
  }

  /**
   * Has the guest take the disks, and mount the directories, that its identity declares.
   *
   * @throws {MayflyError} `TOOL_FAILED` with the guest's words.
   */
  async mountAll(signal: AbortSignal): Promise<void> {
    await this.tell("mounts", [], 0, signal);
  }

  /**
   * Has the guest take its places in private networks, and waits until it knows the names there.
   *
   * @throws {MayflyError} `NETWORK_FAILED` with the guest's words.
   */
  async joinNetworks(signal: AbortSignal): Promise<void> {
    await this.tell("networks", [], 0, signal);
  }

  /**
   * Asks the guest what can be seen from inside. A guest that hangs does not answer, or not to the end: the signal ends the
   * wait, and what has come by then is the answer.
   *
   * @param section Which part of `guest/report.sh`.
   * @param user Who is to log in.
   */
  async report(section: ReportSection, user: string, signal: AbortSignal): Promise<GuestFacts> {
    const id = randomBytes(4).toString("hex");
    const lines = this.lines(signal);
    const wanted = `${section} ${user}`;
    this.toGuest.write(`report ${id} ${String(Buffer.byteLength(wanted))}\n${wanted}`);
    const facts = new Map<string, string[]>();
    const fact = new RegExp(`^fact ${id} (\\S+) ?(.*)$`);
    let size = 0;
    try {
      for await (const [line] of lines) {
        if (line === `done ${id}`) break;
        const [, name, text = ""] = fact.exec(line) ?? [];
        if (name === undefined) continue;
        addTo(facts, name, text);
        size += line.length;
        if (size > MOST_OF_A_REPORT) this.giveUp(`facts of over ${String(MOST_OF_A_REPORT)} characters`);
      }
    } catch (error) {
      if (!signal.aborted || facts.size === 0) throw error;
    }
    return facts;
  }

  /**
   * Has the guest's systemd read the units that its identity has brought, and begin to start them.
   *
   * @throws {MayflyError} `TOOL_FAILED` with the guest's words.
   */
  async startUnits(signal: AbortSignal): Promise<void> {
    await this.tell("units", [], 0, signal);
  }

  /** Tells a clone that it has all that its identity declares: its programs may begin. Waits for no answer. */
  async tellBegin(): Promise<void> {
    await this.mention("begin");
  }

  /** Tells a clone that it has been logged in to: its programs may use all its CPUs. Waits for no answer. */
  async tellCpus(): Promise<void> {
    await this.mention("cpus");
  }

  /** Tells the guest that nobody waits for it any more: what it has put off for that may begin. Waits for no answer. */
  async tellVerified(): Promise<void> {
    await this.mention("verified");
  }

  /** Asks the guest to shut down. Waits for no answer. */
  async tellPowerOff(): Promise<void> {
    await this.mention("poweroff");
  }

  private async mention(verb: string): Promise<void> {
    await new Promise((resolve) => this.toGuest.write(`${verb} - 0\n`, resolve)); // a guest that is gone needs no telling
  }

  private async tell(verb: Verb, parts: readonly Buffer[], size: number, signal: AbortSignal): Promise<void> {
    const id = randomBytes(4).toString("hex");
    const answer = this.waitFor([`done ${id}`, `failed ${id}`], signal);
    this.toGuest.write(Buffer.concat([Buffer.from(`${verb} ${id} ${String(size)}\n`), ...parts]));
    const line = await answer;
    if (line.startsWith("done")) return;
    const { code, summary, remedy } = FAILURES[verb];
    throw new MayflyError(code, summary, { evidence: line.slice(`failed ${id} `.length), remedy });
  }

  /** Lets go of the pipes; the guest agent goes on. */
  [Symbol.dispose](): void {
    this.toGuest.destroy();
    this.fromGuest.destroy();
  }
}

function addTo(facts: Map<string, string[]>, name: string, text: string): void {
  const known = facts.get(name);
  if (known === undefined) facts.set(name, [text]);
  else known.push(text);
}

/** The parts of what a guest tells of itself. */
export type ReportSection = "state" | "network" | "log";

/** What a guest tells of itself, by name: lines in the words of its kernel and its programs. Not to be trusted. */
export type GuestFacts = ReadonlyMap<string, readonly string[]>;

/** What the guest is asked to do, and answers. */
type Verb = "access" | "identity" | "mounts" | "networks" | "units";

interface Failure {
  readonly code: ErrorCode;
  readonly summary: string;
  readonly remedy: string;
}

const MEND_IT = "mend what it names (a package to install, a shell that does not exist) and run `pulumi up` again";

/** What the user reads when the guest could not do something. */
const FAILURES: Readonly<Record<Verb, Failure>> = {
  access: { code: "TOOL_FAILED", summary: "the guest could not apply users and keys", remedy: MEND_IT },
  identity: { code: "TOOL_FAILED", summary: "the guest could not take its identity", remedy: MEND_IT },
  mounts: {
    code: "TOOL_FAILED",
    summary: "the guest could not take a disk or a directory of the host",
    remedy: MEND_IT,
  },
  units: { code: "TOOL_FAILED", summary: "the guest's systemd could not take systemdUnits", remedy: MEND_IT },
  networks: {
    code: "NETWORK_FAILED",
    summary: "the guest could not join a private network",
    remedy: "run `pulumi up` again, which also starts a switch that has died; see the Network's output `log`",
  },
};

const SEED_BYTES = 40;

/** The host's time and a seed for the guest's random pool, as `guest/helper/renew.h` reads them. */
export function renewal(): Buffer {
  const time = Buffer.alloc(16);
  const now = Date.now(); // not performance's time, which knows of no step of the clock and stands still in a suspend
  time.writeBigInt64LE(BigInt(Math.floor(now / 1_000)), 0);
  time.writeBigInt64LE(BigInt(Math.floor((now % 1_000) * 1e6)), 8);
  return Buffer.concat([time, randomBytes(SEED_BYTES)]);
}
