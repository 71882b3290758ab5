import type { Facts, LoginFacts } from "./facts";
import { broken, ok, unknown, type Broken, type Rung, type Verdict } from "./ladder";
import type { PathReport } from "./report";
import { inGuest } from "./words";

/** What has to be right between an SSH server that answers and a command that runs. */
export const sshRungs: readonly Rung[] = [
  { name: "host-key", from: "login", judge: hostKey },
  { name: "key", from: "login", judge: key },
  { name: "session", from: "login", judge: session },
];

/** How far a login comes, in order. */
const STAGES: readonly LoginFacts["reached"][] = ["handshake", "hostKey", "key", "session", "open"];

function isBeyond({ reached }: LoginFacts, stage: LoginFacts["reached"]): boolean {
  return STAGES.indexOf(reached) > STAGES.indexOf(stage);
}

function hostKey({ machine, guest, login }: Facts): Verdict {
  if (login === undefined) return unknown("nobody could log in yet");
  if (isBeyond(login, "hostKey")) return ok("the pinned one");
  if (login.reached === "handshake")
    return broken(
      [login.seen, ...login.log].join("\n"),
      "the server ends the connection, or hangs, before it has proved who it is",
      inGuest(machine, SEE_ITS_LOG),
    );
  const own = guest?.report?.sshd.hostKey;
  const text = own === undefined ? login.seen : `${login.seen}\nthe guest's own: ${own}`;
  return broken(
    text,
    "the SSH server that answers has another host key than the VM was given: somebody has changed the guest's key, or another server has the port",
    "if you did that yourself, reboot the guest, which gets the VM's own key back (`reboot` at its console); if nobody did, do not trust this VM",
  );
}

function key(facts: Facts): Verdict {
  const { login } = facts;
  if (login === undefined || login.reached === "hostKey" || login.reached === "handshake")
    return unknown("a login has not come that far");
  if (login.reached !== "key") return ok(`${facts.machine.user} may log in`);
  const { cause, remedy } = whyRefused(facts, login);
  return broken([login.seen, ...login.log.slice(-3)].join("\n"), cause, remedy);
}

const SEE_ITS_LOG = "see sshd's log (journalctl -t sshd)";

type Reason = Pick<Broken, "cause" | "remedy">;

const GROUP_OR_OTHERS_WRITE = 0o022; // what sshd takes no keys from (sshd_config(5), StrictModes)

/** Why sshd refuses a user: the first of its own checks that fails. */
function whyRefused({ machine, guest }: Facts, login: LoginFacts): Reason {
  const { user } = machine;
  const account = guest?.report?.account;
  if (account !== undefined) {
    const { exists, shell, hasShell, uid = 0, nologin, path } = account;
    if (!exists)
      return {
        cause: `there is no user ${user} in the guest`,
        remedy: "declare it (`users`), or log in as another one",
      };
    if (!hasShell)
      return {
        cause: `the login shell of ${user}, ${shell}, is missing in the guest or is no program`,
        remedy: inGuest(machine, `usermod -s /bin/sh ${user}`),
      };
    const open = path.find(
      ({ mode, uid: owner }) => (mode & GROUP_OR_OTHERS_WRITE) !== 0 || (owner !== 0 && owner !== uid),
    );
    if (open !== undefined)
      return {
        cause: `sshd takes no keys from ${open.path}: ${whoMayWrite(open)}`,
        remedy: inGuest(machine, `chown root:root ${open.path}; chmod go-w ${open.path}`),
      };
    if (!path.some(({ path: file }) => file.includes("/keys/")))
      return {
        cause: `${user} has no file with keys in the guest`,
        remedy: "declare `sshKey` or `authorizedKeys` anew",
      };
    if (nologin !== undefined && uid !== 0)
      return { cause: `nobody but root may log in: there is ${nologin}`, remedy: inGuest(machine, `rm ${nologin}`) };
    if (isStrange(login))
      return {
        cause: `the guest's file with the keys of ${user} does not hold ours`,
        remedy: inGuest(machine, `put it back into ${path[0]?.path ?? "that file"}`),
      };
  }
  const [last] = login.log.slice(-1);
  return {
    cause: last === undefined ? "sshd refuses the login" : `sshd refuses the login: ${last}`,
    remedy: inGuest(machine, SEE_ITS_LOG),
  };
}

function whoMayWrite({ mode, uid }: PathReport): string {
  const octal = mode.toString(8);
  return (mode & GROUP_OR_OTHERS_WRITE) === 0
    ? `it belongs to the user ${String(uid)}`
    : `its mode is ${octal}, so that others than its owner may write to it`;
}

/** Whether sshd was shown a key that is not in the file; an ssh-agent's keys nobody knows. */
function isStrange({ seen, keysInGuest }: LoginFacts): boolean {
  const tried = /SHA256:[A-Za-z0-9+/]+/.exec(seen)?.[0];
  return tried !== undefined && keysInGuest !== undefined && !keysInGuest.includes(tried);
}

const LETS_NOBODY_WORK = /\/(?:nologin|false|true)$/;
const RECENT_SECONDS = 60;

function session({ machine, guest, login }: Facts): Verdict {
  if (login === undefined) return unknown("nobody could log in yet");
  if (login.reached === "open") return ok(`a command ran, ${login.seconds.toFixed(1)} s after the connection`);
  if (login.reached !== "session") return unknown("a login has not come that far");
  const { user } = machine;
  const { account, outOfMemory, disks = [] } = guest?.report ?? {};
  const text = [login.seen, ...login.log.slice(-3)].join("\n");
  if (account !== undefined && LETS_NOBODY_WORK.test(account.shell))
    return broken(
      text,
      `the login shell of ${user}, ${account.shell}, ends at once: it is there to keep people out`,
      inGuest(machine, `usermod -s /bin/sh ${user}`),
    );
  if (outOfMemory !== undefined && outOfMemory.secondsAgo < RECENT_SECONDS)
    return broken(
      text,
      `the guest has no memory left: its kernel killed ${outOfMemory.victim}`,
      "end what takes it, or declare more `memory` (--memory)",
    );
  const full = disks.find(({ freeMiB }) => freeMiB === 0);
  return broken(
    text,
    full === undefined
      ? "sshd lets us in, but no command runs"
      : `sshd lets us in, but no command runs; ${full.mount} is full`,
    inGuest(machine, `${SEE_ITS_LOG}, and what the shell of ${user} does when it starts`),
  );
}
