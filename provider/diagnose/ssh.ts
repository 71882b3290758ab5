import type { Facts, LoginFacts } from "./facts";
import { lackOfMemory } from "./guest";
import { broken, ok, unknown, type Broken, type Rung, type Verdict } from "./ladder";
import type { GuestReport, PathReport } from "./report";
import { inGuest, MORE_MEMORY } from "./words";

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

function hostKey({ machine, login }: Facts): Verdict {
  if (login === undefined) return unknown("nobody could log in yet");
  if (isBeyond(login, "hostKey")) return ok("the pinned one");
  if (login.reached === "handshake")
    return broken(
      [login.seen, ...wordsOf(login)].join("\n"),
      "the server ends the connection, or hangs, before it has proved who it is",
      inGuest(machine, SEE_ITS_LOG),
    );
  const { ownHostKey } = login;
  const isOwn = ownHostKey !== undefined && login.seen.includes(ownHostKey);
  return broken(
    `${login.seen}\nthe guest's own is ${ownHostKey ?? "not known"}`,
    isOwn
      ? "somebody has changed the guest's host key: it is not the one that the VM was given"
      : "another SSH server answers than the VM's own: its host key is neither the pinned one nor the guest's",
    `if you did that yourself: ${inGuest(machine, "reboot, which brings the VM's own key back")}; if nobody did, do not trust it`,
  );
}

function key(facts: Facts): Verdict {
  const { login } = facts;
  if (login === undefined || login.reached === "hostKey" || login.reached === "handshake")
    return unknown("a login has not come that far");
  if (login.reached !== "key") return ok(`${facts.machine.user} may log in`);
  const { cause, remedy } = whyRefused(facts, login);
  return broken([login.seen, ...wordsOf(login)].join("\n"), cause, remedy);
}

/** What sshd says of each connection, whatever went wrong with it. */
const OF_ALL =
  /^(?:Received disconnect|Disconnected from|Connection (?:closed|reset)|pam_|error: No user for Authorized)/;

/** What sshd has said that may tell something. */
function wordsOf({ log }: LoginFacts): readonly string[] {
  return log.filter((line) => !OF_ALL.test(line)).slice(-3);
}

const SEE_ITS_LOG = "see sshd's log (journalctl -t sshd)";

type Reason = Pick<Broken, "cause" | "remedy">;

const GROUP_OR_OTHERS_WRITE = 0o022; // what sshd takes no keys from (sshd_config(5), StrictModes)

/** Why sshd refuses a user: the first of what it looks at itself that is not as it wants it. */
function whyRefused({ machine, guest }: Facts, login: LoginFacts): Reason {
  const account = guest?.report?.account;
  if (account !== undefined)
    for (const look of CHECKS) {
      const reason = look({ ...account, machine, login });
      if (reason !== undefined) return reason;
    }
  const [last] = wordsOf(login).slice(-1);
  return {
    cause: last === undefined ? "sshd refuses the login" : `sshd refuses the login: ${last}`,
    remedy: inGuest(machine, SEE_ITS_LOG),
  };
}

/** What sshd looks at, for somebody who wants in. */
type Visit = GuestReport["account"] & Pick<Facts, "machine"> & { readonly login: LoginFacts };

const CHECKS: readonly ((visit: Visit) => Reason | undefined)[] = [
  ({ exists, machine: { user } }) =>
    exists
      ? undefined
      : { cause: `there is no user ${user} in the guest`, remedy: "declare it (`users`), or log in as another one" },
  ({ hasShell, shell, machine }) =>
    hasShell
      ? undefined
      : {
          cause: `the login shell of ${machine.user}, ${shell}, is missing in the guest or is no program`,
          remedy: inGuest(machine, `usermod -s /bin/sh ${machine.user}`),
        },
  ({ path, uid = 0, machine }) => {
    const open = path.find(({ mode, uid: owner }) => (mode & GROUP_OR_OTHERS_WRITE) !== 0 || ![0, uid].includes(owner));
    return (
      open && {
        cause: `sshd takes no keys from ${open.path}: ${whoMayWrite(open)}`,
        remedy: inGuest(machine, `chown root:root ${open.path}; chmod go-w ${open.path}`),
      }
    );
  },
  ({ path, machine: { user } }) =>
    path.some(({ path: file }) => file.includes("/keys/"))
      ? undefined
      : { cause: `${user} has no file with keys in the guest`, remedy: "declare `sshKey` or `authorizedKeys` anew" },
  ({ nologin, uid, machine }) =>
    nologin === undefined || uid === 0
      ? undefined
      : { cause: `nobody but root may log in: there is ${nologin}`, remedy: inGuest(machine, `rm ${nologin}`) },
  ({ path: [file], machine, login }) =>
    isStrange(login)
      ? {
          cause: `the guest's file with the keys of ${machine.user} does not hold ours`,
          remedy: inGuest(machine, `put it back into ${file?.path ?? "that file"}`),
        }
      : undefined,
];

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

function session(facts: Facts): Verdict {
  const { login } = facts;
  if (login === undefined) return unknown("nobody could log in yet");
  if (login.reached === "open") return ok(`a command ran, ${login.seconds.toFixed(1)} s after the connection`);
  if (login.reached !== "session") return unknown("a login has not come that far");
  const { cause, remedy } = whyNothingRuns(facts);
  return broken([login.seen, ...wordsOf(login)].join("\n"), cause, remedy);
}

function whyNothingRuns({ machine, guest }: Facts): Reason {
  const { user } = machine;
  const { account, disks = [] } = guest?.report ?? {};
  if (account !== undefined && LETS_NOBODY_WORK.test(account.shell))
    return {
      cause: `the login shell of ${user}, ${account.shell}, ends at once: it is there to keep people out`,
      remedy: inGuest(machine, `usermod -s /bin/sh ${user}`),
    };
  const lack = lackOfMemory(guest?.report);
  if (lack !== undefined) return { cause: `sshd lets us in, but no command runs: ${lack}`, remedy: MORE_MEMORY };
  const full = disks.find(({ freeMiB }) => freeMiB === 0);
  const also = full === undefined ? "" : `; ${full.mount} is full`;
  return {
    cause: `sshd lets us in, but no command runs${also}`,
    remedy: inGuest(machine, `${SEE_ITS_LOG}, and what the shell of ${user} does when it starts`),
  };
}
