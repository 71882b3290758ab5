import { readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { processIds, readProcess } from "./proc";

/** Who works with Mayfly in a test. */
export interface Caller {
  /** For the test's title. */
  readonly title: string;
  readonly uid: number;
  readonly gid: number;
  /** Set where it is not the user that runs the tests: the account that programs are started as. */
  readonly account: { readonly name: string; readonly home: string } | undefined;
}

const { uid: ownUid, gid: ownGid } = userInfo();

/** The user that runs the tests. */
export const self: Caller = {
  title: ownUid === 0 ? "root" : "an ordinary user",
  ...{ uid: ownUid, gid: ownGid, account: undefined },
};

/** The user that `scripts/setup/test-user.mjs` has made. Where it has not, using it fails and says so. Only for root. */
export function testUser(): Caller {
  const name = process.env["MAYFLY_TEST_USER"] ?? "";
  const [, uid, gid, home = ""] =
    new RegExp(`^${name}:[^:]*:(\\d+):(\\d+):[^:]*:([^:]*):`, "m").exec(readFileSync("/etc/passwd", "utf8")) ?? [];
  return { title: "an ordinary user", uid: Number(uid), gid: Number(gid), account: { name, home } };
}

/** The environment that a caller's programs get, without what is ours and means nothing to another user. */
export function environmentOf({ account, uid }: Caller): Record<string, string | undefined> {
  if (account === undefined) return process.env;
  if (account.name === "")
    throw new Error("MAYFLY_TEST_USER is not set: run this by `npm test -- e2e`, which makes it");
  const isOurs = /^(?:XDG_|MAYFLY_|PULUMI_|CONTAINER|npm_|SUDO_|TMPDIR$|MAIL$)/;
  const common = Object.entries(process.env).filter(([key]) => !isOurs.test(key) || key === "MAYFLY_DEBIAN_MIRROR");
  const { name, home } = account;
  const own = { HOME: home, USER: name, LOGNAME: name, XDG_RUNTIME_DIR: `/run/user/${String(uid)}` };
  return { ...Object.fromEntries(common), ...own, PATH: process.env["MAYFLY_TEST_USER_PATH"] };
}

/** A command line that runs another as the caller. */
export function asCaller({ account, gid }: Caller, command: readonly string[]): readonly string[] {
  if (account === undefined) return command;
  return ["setpriv", `--reuid=${account.name}`, `--regid=${String(gid)}`, "--init-groups", "--", ...command];
}

/** Belongs to the user's session or to podman itself (its pause process holds the user namespace), not to a machine. */
const OF_THE_SESSION = /^(?:catatonit|systemd|\(sd-pam\)|dbus-)/;

/** Command lines of what a caller runs: see {@link processesById}. */
export function processesOf(caller: Caller, home: string): string[] {
  return [...processesById(caller, home).values()];
}

/**
 * Command lines of what a caller runs, by process id: all of its processes where it is not the tests' own user, else those
 * that have to do with `home`: by their arguments, their environment, or what is mounted for them.
 */
export function processesById({ account, uid }: Caller, home: string): ReadonlyMap<number, string> {
  const mounted = home.replaceAll(" ", "\\040"); // proc_pid_mountinfo(5)
  const isIts = (pid: number, line: string) => {
    if (account !== undefined) return !OF_THE_SESSION.test(line);
    const names = line.includes(home) || readProcess(pid, "environ").includes(home);
    return names || readProcess(pid, "mountinfo").includes(mounted);
  };
  const lines = processIds().flatMap((pid): [number, string][] => {
    const status = readProcess(pid, "status");
    if (Number(/^Uid:\s(\d+)/m.exec(status)?.[1]) !== uid || /^State:\s[ZX]/m.test(status)) return [];
    const line = readProcess(pid, "cmdline").replaceAll("\0", " ").trim();
    return isIts(pid, line) ? [[pid, line]] : [];
  });
  return new Map(lines);
}
