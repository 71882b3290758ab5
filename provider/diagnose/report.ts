import type { GuestFacts } from "../machines/agent";

/** What the agent tells of the guest's state, read. What a guest cannot tell is `undefined` or empty. */
export interface GuestReport {
  /** Seconds since its kernel's start. */
  readonly uptime: number | undefined;
  /** Average number of processes that run or wait for a disk, over the last minute. */
  readonly load: number | undefined;
  readonly memory: { readonly totalMiB: number; readonly availableMiB: number } | undefined;
  /** The last process that was killed for lack of memory. */
  readonly outOfMemory: { readonly victim: string; readonly secondsAgo: number } | undefined;
  readonly disks: readonly DiskReport[];
  /** Seconds since 1970, by its clock. */
  readonly clock: number | undefined;
  /** Its cards in private networks; `undefined`: it does not say. */
  readonly cards: readonly CardReport[] | undefined;
  readonly init: InitReport;
  readonly sshd: SshdReport;
  readonly account: AccountReport;
  readonly traffic: Traffic;
}

/** One filesystem. */
interface DiskReport {
  readonly mount: string;
  readonly sizeMiB: number;
  readonly freeMiB: number;
  /** `undefined`: it has no fixed number of them. */
  readonly freeInodes: number | undefined;
}

/** A card in a private network. */
interface CardReport {
  readonly mac: string;
  readonly name: string;
  readonly isUp: boolean;
  /** `10.80.0.7/24` */
  readonly addresses: readonly string[];
}

interface InitReport {
  readonly kind: string;
  /** State and name of PID 1: `S systemd`. */
  readonly process: string | undefined;
  /** systemd's word for its state: `running`, `starting`… Empty: it gave none. `undefined`: it was not asked in time. */
  readonly systemd: string | undefined;
  /** What it is waiting for. */
  readonly jobs: readonly string[];
  readonly failedUnits: readonly string[];
}

interface SshdReport {
  readonly listens: boolean | undefined;
  /** State of its process, one letter of proc(5); `undefined`: it does not run. */
  readonly state: string | undefined;
  /** What it says of its own configuration, where it does not listen. */
  readonly complaints: readonly string[];
  /** Its public host key, one line. */
  readonly hostKey: string | undefined;
}

interface AccountReport {
  readonly exists: boolean;
  readonly uid: number | undefined;
  readonly shell: string;
  readonly hasShell: boolean;
  /** A file that keeps all but root from logging in (pam_nologin(8)). */
  readonly nologin: string | undefined;
  /** The file with its keys, then all folders above it. */
  readonly path: readonly PathReport[];
  /** Lines of that file. */
  readonly keys: readonly string[];
}

/** Who owns a file, and who else may write to it. */
export interface PathReport {
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
}

/** Counters of the guest's kernel: what happened shows in the difference of two. */
export interface Traffic {
  /** Connections that it took. */
  readonly accepted: number;
  /** Connections that it refused, or ended at once. */
  readonly resets: number;
  /** Times that it told a sender that it does not want its packets. */
  readonly unreachables: number;
}

/** What the agent tells of the way between the guest's card and its sshd. */
export interface NetworkReport {
  readonly isUp: boolean | undefined;
  /** `10.53.0.15/24` */
  readonly addresses: readonly string[];
  readonly routes: readonly string[];
  /** Connections to its sshd's port, by the kernel's name for their state. */
  readonly connections: readonly string[];
  /** Rules that keep packets out, if it has a program that tells. */
  readonly firewall: readonly string[];
  readonly traffic: Traffic;
}

/** Reads the section `state`. Pure. */
export function readState(facts: GuestFacts): GuestReport {
  const total = kibibytes(first(facts, "memory-total"));
  const available = kibibytes(first(facts, "memory-available"));
  const uptime = numberOf(first(facts, "uptime")?.split(" ")[0]);
  return {
    uptime,
    load: numberOf(first(facts, "load")?.split(" ")[0]),
    memory: total === undefined || available === undefined ? undefined : { totalMiB: total, availableMiB: available },
    outOfMemory: readOutOfMemory(first(facts, "out-of-memory"), uptime),
    disks: all(facts, "disk").flatMap((line) => readDisk(line) ?? []),
    clock: numberOf(first(facts, "clock")),
    cards:
      first(facts, "segments") === undefined
        ? undefined
        : all(facts, "segment").flatMap((line) => readCard(line) ?? []),
    init: {
      kind: first(facts, "init") ?? "unknown",
      process: first(facts, "pid1"),
      systemd: first(facts, "systemd"),
      jobs: all(facts, "job"),
      failedUnits: all(facts, "failed-unit"),
    },
    sshd: {
      listens: readFlag(first(facts, "door"), "open"),
      state: first(facts, "sshd")?.split(" ")[0],
      complaints: all(facts, "sshd-test"),
      hostKey: first(facts, "host-key"),
    },
    account: readAccount(facts),
    traffic: readTraffic(all(facts, "snmp")),
  };
}

/** Reads the section `network`. Pure. */
export function readNetwork(facts: GuestFacts): NetworkReport {
  const flags = numberOf(first(facts, "card-flags"));
  return {
    isUp: flags === undefined ? undefined : isCardUp(flags),
    addresses: all(facts, "card-address").flatMap((line) => /inet (\S+)/.exec(line)?.[1] ?? []),
    routes: all(facts, "route"),
    connections: all(facts, "connection").map((line) => TCP_STATES[line.split(/\s+/)[3] ?? ""] ?? "other"),
    firewall: all(facts, "firewall"),
    traffic: readTraffic(all(facts, "snmp")),
  };
}

function isCardUp(flags: number): boolean {
  return (flags & INTERFACE_UP) !== 0;
}

const INTERFACE_UP = 1; // IFF_UP of netdevice(7)

/** States of proc(5), `/proc/net/tcp`, that tell something here. */
const TCP_STATES: Readonly<Record<string, string>> = { "01": "established", "03": "half open", "08": "left by us" };

/** The kernel's line: `[  12.345678] Out of memory: Killed process 300 (tail) total-vm:…`. */
const KILLED = /\[\s*(\d+)\.\d+\].*Killed process (\d+) \(([^)]*)\)/;

function readOutOfMemory(line: string | undefined, uptime: number | undefined): GuestReport["outOfMemory"] {
  const [, seconds, pid, name] = KILLED.exec(line ?? "") ?? [];
  if (seconds === undefined) return undefined;
  const secondsAgo = Math.max(0, (uptime ?? 0) - Number(seconds));
  return { victim: `${String(name)} (pid ${String(pid)})`, secondsAgo };
}

/** The last process that was killed for lack of memory, by the end of a console's text. Pure. */
export function victimOn(console: string): string | undefined {
  const [line] = console
    .split("\n")
    .filter((one) => KILLED.test(one))
    .slice(-1);
  return readOutOfMemory(line, undefined)?.victim;
}

/**
 * `/ 4096 199000 190000 50000 49000`: mount, block size, blocks, free ones, inodes, free ones. The mount becomes part of a
 * command that the user is to run on the host, so there is nothing in it that a shell would take for more than a name.
 */
const DISK = /^(\/[\w./-]*) (\d+) (\d+) (\d+) (\d+) (\d+)$/;

function readDisk(line: string): DiskReport | undefined {
  const [, mount, ...numbers] = DISK.exec(line) ?? [];
  if (mount === undefined) return undefined;
  const [blockSize = 0, blocks = 0, free = 0, inodes = 0, freeInodes = 0] = numbers.map(Number);
  const mebibytes = (count: number) => (count * blockSize) / 1_048_576;
  const sizes = { sizeMiB: mebibytes(blocks), freeMiB: mebibytes(free) };
  return { mount, ...sizes, freeInodes: inodes === 0 ? undefined : freeInodes };
}

/** `02:4d:0a:50:00:07 eth1 0x1003 10.80.0.7/24`: hardware address, name, flags, addresses. The name goes into commands. */
const CARD = /^([\da-f:]{17}) ([\w.-]{1,15}) (0x[\da-f]+)(?: (.*))?$/;

function readCard(line: string): CardReport | undefined {
  const [, mac, name, flags, addresses = ""] = CARD.exec(line) ?? [];
  if (mac === undefined || name === undefined) return undefined;
  return { mac, name, isUp: isCardUp(Number(flags)), addresses: addresses.split(" ").filter(Boolean) };
}

function readAccount(facts: GuestFacts): AccountReport {
  const account = first(facts, "account");
  const [uid = "", ...shell] = (account ?? "").split(":");
  return {
    exists: account !== undefined,
    uid: numberOf(uid),
    shell: shell.join(":"),
    hasShell: first(facts, "shell-runs") !== undefined,
    nologin: first(facts, "nologin"),
    path: all(facts, "path").flatMap((line) => readPath(line) ?? []),
    keys: all(facts, "authorized"),
  };
}

function readPath(line: string): PathReport | undefined {
  const [, mode, uid, path] = /^([0-7]+) (\d+) (\/.*)$/.exec(line) ?? [];
  return path === undefined ? undefined : { path, mode: Number.parseInt(mode ?? "", 8), uid: Number(uid) };
}

/** `/proc/net/snmp`: for each protocol a line of names and one of values. */
function readTraffic(lines: readonly string[]): Traffic {
  const value = (protocol: string, name: string) => {
    const [names, values] = lines.filter((line) => line.startsWith(`${protocol}:`)).map((line) => line.split(" "));
    return Number(values?.[names?.indexOf(name) ?? -1] ?? 0);
  };
  return {
    accepted: value("Tcp", "PassiveOpens"),
    resets: value("Tcp", "OutRsts"),
    unreachables: value("Icmp", "OutDestUnreachs"),
  };
}

function kibibytes(text: string | undefined): number | undefined {
  const value = numberOf(/^\d+/.exec(text ?? "")?.[0]);
  return value === undefined ? undefined : value / 1_024;
}

function readFlag(text: string | undefined, yes: string): boolean | undefined {
  return text === undefined ? undefined : text === yes;
}

function numberOf(text: string | undefined): number | undefined {
  if (text === undefined || text === "") return undefined;
  const value = Number(text); // also of 0x1003
  return Number.isFinite(value) ? value : undefined;
}

function all(facts: GuestFacts, name: string): readonly string[] {
  return (facts.get(name) ?? []).map(printable);
}

function first(facts: GuestFacts, name: string): string | undefined {
  return all(facts, name)[0];
}

const LONGEST = 1_500; // a line with a key of 8192 bits

/** A line as it can be shown: a guest may say what would move the cursor of whoever reads it. */
export function printable(line: string): string {
  return line
    .replaceAll(/\p{Cc}/gu, " ")
    .slice(0, LONGEST)
    .trim();
}
