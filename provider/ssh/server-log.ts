/**
 * What a guest's own sshd has written down, of all its clients: read over a connection of ours, from wherever the guest
 * keeps it.
 */

/** One line of it. */
export interface ServerLogLine {
  /** Milliseconds since 1970, by the guest's clock. */
  readonly time: number;
  /** The process that served the client. */
  readonly pid: number;
  /** What sshd said. */
  readonly message: string;
}

/** Logins that failed, by who it was to be and from where. */
export interface FailedLogins {
  readonly user: string;
  readonly address: string;
  /** Connections that ended without a login. */
  readonly count: number;
  /** Milliseconds since 1970: when the last of them ended. */
  readonly last: number;
}

/** Exit code of a guest that keeps no such log, or does not show it to the user who asks. */
export const NO_SERVER_LOG = 3;

const PROGRAMS = ["sshd", "sshd-session", "mayfly-sshd"]; // from 9.8 on a client's process has a name of its own
/** Where syslogd puts them: Debian, Fedora, Alpine and busybox, others. */
const FILES = ["auth.log", "secure", "messages", "syslog"];

/**
 * Shell text that prints the log since the guest's boot: a line about the guest's clock, then lines as journalctl's
 * `short-unix` or as syslogd writes them.
 *
 * @param follow Goes on until it is ended.
 */
export function renderServerLog(follow: boolean): string {
  const tags = PROGRAMS.map((name) => `-t ${name}`).join(" ");
  const files = FILES.map((name) => `/var/log/${name}`).join(" ");
  return [
    'r=; [ "$(id -u)" = 0 ] || r="sudo -n"',
    'echo "now $(date +%s) $(cut -d. -f1 /proc/uptime) $(date +%z)"',
    "if [ -S /run/systemd/journal/socket ] && command -v journalctl >/dev/null; then",
    `  exec $r journalctl --boot --quiet --no-pager --output short-unix ${tags}${follow ? " --follow --lines all" : ""}`,
    "fi",
    `for f in ${files}; do`,
    "  $r grep -q 'sshd[a-z-]*\\[[0-9]*\\]: ' $f 2>/dev/null || continue",
    `  ${follow ? "exec $r tail -n +1 -F $f" : "for g in $f.1 $f.0 $f; do $r cat $g; done; exit 0"}`,
    "done 2>/dev/null",
    // busybox's syslogd, ours too, may keep it in memory.
    "for l in logread /usr/lib/mayfly/bin/logread; do",
    `  $r $l >/dev/null 2>&1 && exec $r $l${follow ? " -f" : ""}`,
    "done",
    `exit ${String(NO_SERVER_LOG)}`,
  ].join("\n");
}

/** Makes sense of what {@link renderServerLog} prints, line by line. */
export class ServerLogReader {
  #now = 0; // seconds since 1970
  #boot = 0;
  #zone = "+0000";

  /** One line; `undefined` for one that is none of sshd's, or older than the guest's boot. */
  read(line: string): ServerLogLine | undefined {
    const [, now, uptime, zone] = /^now (\d+) (\d+) ([+-]\d{4})$/.exec(line) ?? [];
    if (zone !== undefined) [this.#now, this.#boot, this.#zone] = [Number(now), Number(now) - Number(uptime), zone];
    const [, stamp = "", pid, message] = LINE.exec(line) ?? [];
    if (message === undefined) return undefined;
    const time = this.#timeOf(stamp);
    if (Number.isNaN(time) || time < (this.#boot - 1) * 1_000) return undefined;
    return { time, pid: Number(pid), message };
  }

  /** Seconds since 1970, ISO 8601, or the traditional `Nov 25 15:04:05`, which has no year and is the guest's own time. */
  #timeOf(stamp: string): number {
    if (/^[\d.]+$/.test(stamp)) return Math.round(Number(stamp) * 1_000);
    if (/^\d{4}-/.test(stamp)) return Date.parse(stamp);
    const year = new Date(this.#now * 1_000).getUTCFullYear();
    const zone = `${this.#zone.slice(0, 3)}:${this.#zone.slice(3)}`;
    const [thisYear = NaN, lastYear = NaN] = [year, year - 1].map((one) =>
      Date.parse(`${stamp} ${String(one)} ${zone}`),
    );
    return thisYear > (this.#now + DAY) * 1_000 ? lastYear : thisYear; // of December, read in January
  }
}

const DAY = 86_400;
/** Time, host, then with busybox's syslogd a facility, `sshd[PID]:`, and what it says. */
const LINE = /^(\S+|\w{3} [ \d]\d [\d:]{8}) \S+ (?:\w+\.\w+ )?(?:mayfly-)?sshd(?:-session)?\[(\d+)\]: (.*)$/;

/** A login that sshd tells of, as far as one line shows it. */
export interface LoginSeen {
  readonly kind: "accepted" | "failed";
  readonly user: string;
  readonly address: string;
  readonly port: number;
  /** Fingerprint of the key that was taken. */
  readonly key?: string | undefined;
}

/** Names may hold anything, and come from whoever asks: the last address and port in a line are sshd's own. */
const ACCEPTED = /^Accepted \S+ for (.*) from (\S+) port (\d+)(?: ssh2)?(?:: \S+ (\S+).*)?$/;
const FAILURES = [
  /^Failed \S+ for (?:invalid user )?(.*) from (\S+) port (\d+)/,
  /^(?:Connection (?:closed|reset) by|Disconnected from) (?:authenticating|invalid) user (.*) (\S+) port (\d+) \[preauth\]$/,
  /^Disconnecting (?:authenticating|invalid) user (.*) (\S+) port (\d+): .*\[preauth\]$/,
  /^(?:error: )?maximum authentication attempts exceeded for (?:invalid user )?(.*) from (\S+) port (\d+)/,
];

/** Reads a login, or its failure, out of what sshd said; `undefined` where it is about something else. */
export function loginIn(message: string): LoginSeen | undefined {
  const [, user, address, port, key] = ACCEPTED.exec(message) ?? [];
  if (user !== undefined && address !== undefined) return { kind: "accepted", user, address, port: Number(port), key };
  for (const failure of FAILURES) {
    const [, who, from, at] = failure.exec(message) ?? [];
    if (who !== undefined && from !== undefined) return { kind: "failed", user: who, address: from, port: Number(at) };
  }
  return undefined;
}

/**
 * Counts logins that failed: connections, not attempts, as sshd has several lines for one, and a client that finds its
 * right key at last has not failed. The most frequent first.
 */
export function countFailedLogins(lines: readonly ServerLogLine[]): FailedLogins[] {
  const failed = new Map<string, LoginSeen & { readonly time: number }>();
  for (const { time, pid, message } of lines) {
    const seen = loginIn(message);
    if (seen === undefined) continue;
    const connection = `${String(pid)} ${seen.address} ${String(seen.port)}`;
    if (seen.kind === "accepted") failed.delete(connection);
    else failed.set(connection, { ...seen, time });
  }
  const counts = new Map<string, FailedLogins>();
  for (const { user, address, time } of failed.values()) {
    const name = JSON.stringify([user, address]);
    const { count = 0, last = 0 } = counts.get(name) ?? {};
    counts.set(name, { user, address, count: count + 1, last: Math.max(last, time) });
  }
  return [...counts.values()].sort((one, other) => other.count - one.count || other.last - one.last);
}
