import type { Facts } from "./facts";
import { broken, ok, unknown, type Rung, type Verdict } from "./ladder";
import { victimOn, type GuestReport } from "./report";
import { MORE_MEMORY } from "./words";

/** What has to be right before anything in the guest can answer. */
export const bootRungs: readonly Rung[] = [
  { name: "container", from: "host", judge: container },
  { name: "qemu", from: "host", judge: qemu },
  { name: "kernel", from: "guest", judge: kernel },
  { name: "init", from: "guest", judge: init },
];

function container({ machine, host }: Facts): Verdict {
  const { container: name, bringBack } = machine;
  const seen = host?.container;
  if (seen === undefined)
    return broken(
      `podman has no container ${name}`,
      "the VM's container was removed: by hand, or by a start of the VM that failed",
      bringBack,
    );
  if (seen.status === "running") return ok(`${name} runs`);
  if (seen.status === "paused")
    return broken(`${name} is paused`, "somebody has paused the container", `podman unpause ${name}`);
  return broken(
    `${name} is ${seen.status}, with exit code ${String(seen.exitCode)}\n${host?.console.last ?? ""}`.trimEnd(),
    seen.exitCode === 0 ? "the guest has shut down, or qemu was asked to end" : "qemu ended, or was killed",
    bringBack,
  );
}

const STOPPED = new Set(["T", "t"]); // by a signal; by a debugger

function qemu({ machine: { name, replace }, host }: Facts): Verdict {
  const seen = host?.qemu;
  if (seen === undefined) return noProcess(host?.container?.status);
  const { pid, processState, cpuShare, status } = seen;
  const uses = `pid ${String(pid)}, uses ${String(Math.round(cpuShare * 100))} % of a CPU`;
  if (STOPPED.has(processState))
    return broken(
      `${uses}, and its state is ${processState} (stopped)`,
      "qemu was stopped by a signal: no instruction of the guest is run",
      `kill -CONT ${String(pid)}`,
    );
  if (status === undefined) return unknown(`${uses}, but does not answer on its control socket`);
  if (status === "running") return ok(uses);
  const isPaused = status === "paused";
  return broken(
    `${uses}; it says that the guest is "${status}"`,
    isPaused ? "somebody has stopped the guest over qemu's control socket (QMP)" : "qemu does not run the guest",
    isPaused ? `whoever stopped it must continue it (QMP: cont); or: ${replace}` : `see: mayfly logs ${name}`,
  );
}

function noProcess(container: string | undefined): Verdict {
  if (container !== "running") return unknown("none, as its container does not run");
  return broken("its container has no process any more", "qemu is just ending, or being started", "try again");
}

function kernel(facts: Facts): Verdict {
  const { host, guest } = facts;
  if (guest?.report !== undefined) return ok(`up for ${String(Math.round(guest.report.uptime ?? 0))} s`);
  if (guest?.banner === true) return ok("its SSH server answers");
  return panicked(facts) ?? (hasBegun(host) ? ok("it has started the first program") : notBegun(host));
}

const PANIC = "the kernel panicked: "; // as machines/console.ts says

function panicked({ machine: { name, replace }, host }: Facts): Verdict | undefined {
  const { fatal = "", last = "" } = host?.console ?? {};
  if (!fatal.startsWith(PANIC)) return undefined;
  const reason = fatal.slice(PANIC.length);
  const cause = `the guest's kernel has panicked (${reason})`;
  // Its registers and stack come after the line that counts, and may fill what is shown.
  const seen = last.includes("Kernel panic") ? last : `Kernel panic - not syncing: ${reason}\n…\n${last}`;
  return broken(seen, cause, `see what came before it: mayfly logs ${name}; then: ${replace}`);
}

/** A template's kernel had, and its clones have no console of that time. */
function hasBegun(host: Facts["host"]): boolean {
  return host?.console.reachedUserspace === true || host?.record?.template !== undefined;
}

function notBegun(host: Facts["host"]): Verdict {
  return broken(
    lastOf(host),
    `the guest's kernel has not started its first program yet${atWork(host)}`,
    "give it time (bootTimeout) if it is at work; else look at the image's kernel, kernelArgs and memory",
  );
}

function lastOf(host: Facts["host"]): string {
  return (host?.console.last ?? "") || "its console is empty";
}

function atWork(host: Facts["host"]): string {
  return (host?.qemu?.cpuShare ?? 0) > 0.5 ? ", and is at work" : "";
}

function init(facts: Facts): Verdict {
  const { guest } = facts;
  if (guest?.report === undefined)
    return guest?.banner === true
      ? unknown("the guest's agent does not answer, but its SSH server does")
      : silentGuest(facts);
  return guest.report.init.kind === "systemd" ? systemd(guest.report, facts) : otherInit(guest.report);
}

function silentGuest({ machine: { name, replace }, host }: Facts): Verdict {
  const fatal = host?.console.fatal;
  if (fatal !== undefined)
    return broken(lastOf(host), `the boot has ended: ${fatal}`, `see: mayfly logs ${name}; then: ${replace}`);
  const victim = victimOn(host?.console.last ?? "");
  if (victim !== undefined)
    return broken(
      lastOf(host),
      `the guest ran out of memory, its kernel killed ${victim}, and nothing in it answers in time`,
      `${MORE_MEMORY}; it may come back by itself; else: ${replace}`,
    );
  return broken(
    lastOf(host),
    `neither the guest's agent nor its SSH server answers: the guest hangs${atWork(host)}`,
    `see: mayfly logs ${name}, mayfly console ${name}; then: ${replace}`,
  );
}

/** What systemd says of itself (systemctl(1), is-system-running), and what that means. All else: it does not answer. */
const SYSTEMD: Readonly<Record<string, ((report: GuestReport, facts: Facts) => Verdict) | undefined>> = {
  running: () => ok("systemd is running"),
  degraded: ({ init: { failedUnits } }) => ok(`systemd is degraded; failed: ${failedUnits.join("; ")}`),
  initializing: starting,
  starting,
  maintenance: ({ init: seen }, { machine }) =>
    broken(
      words(seen),
      "systemd went into emergency mode",
      `${seeConsole(machine)}; a broken /etc/fstab is the usual cause`,
    ),
  stopping: ({ init: seen }, { machine }) => broken(words(seen), "the guest shuts down", machine.bringBack),
};

function systemd(report: GuestReport, facts: Facts): Verdict {
  if (report.init.systemd === undefined) return unknown("the guest was too slow to say");
  return (SYSTEMD[report.init.systemd] ?? mute)(report, facts);
}

function starting({ init: seen, sshd }: GuestReport, { machine }: Facts): Verdict {
  if (sshd.listens === true) return ok(words(seen));
  const what = seen.jobs.length === 0 ? "" : ", and waits for what is named above";
  const remedy = `give it time (bootTimeout), or mend that unit; ${seeConsole(machine)}`;
  return broken(words(seen), `systemd is still starting${what}`, remedy);
}

function mute({ init: seen }: GuestReport, { machine, host }: Facts): Verdict {
  const remedy = `${seeConsole(machine)}; systemd does not come back: ${machine.replace}`;
  if (host?.console.fatal !== "systemd froze")
    return broken(words(seen), "systemd (PID 1) hangs: it does not answer", remedy);
  const cause = "systemd (PID 1) has crashed and is frozen: nothing is started or stopped any more";
  return broken(`${words(seen)}\n${host.console.last}`, cause, remedy);
}

function words({ systemd: state = "", jobs }: GuestReport["init"]): string {
  return [`systemctl is-system-running: ${state || "no answer"}`, ...jobs].join("\n");
}

function seeConsole({ name }: Facts["machine"]): string {
  return `see: mayfly logs ${name}`;
}

function otherInit({ init: { process = "" } }: GuestReport): Verdict {
  const [state = "", title = ""] = process.split(" ");
  if (process === "") return unknown("the guest does not say which process is PID 1");
  return ok(`PID 1 is ${title} (${state})`);
}
