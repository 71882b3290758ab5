import type { Facts } from "./facts";
import { broken, ok, unknown, type Rung, type Verdict } from "./ladder";
import type { GuestReport } from "./report";

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
      "the VM's container was removed, and the VM with it; not by Mayfly, which would have removed its record too",
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
  if (seen === undefined)
    return broken("its container has no process any more", "qemu is just ending, or being started", "try again");
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

function kernel({ machine: { name, replace }, host, guest }: Facts): Verdict {
  if (guest?.report !== undefined) return ok(`up for ${String(Math.round(guest.report.uptime ?? 0))} s`);
  if (guest?.banner === true) return ok("its SSH server answers");
  const { fatal, last, reachedUserspace } = host?.console ?? { last: "" };
  if (fatal?.startsWith(PANIC) === true)
    return broken(
      last,
      `the guest's kernel has panicked (${fatal.slice(PANIC.length)})`,
      `see what came before it: mayfly logs ${name}; then: ${replace}`,
    );
  if (reachedUserspace === true || host?.record?.template !== undefined) return ok("it has started the first program");
  return broken(
    last === "" ? "its console is empty, and nothing in it answers" : last,
    `the guest's kernel has not started its first program yet${atWork(host?.qemu?.cpuShare)}`,
    "give it time (bootTimeout) if it is at work; else look at the image's kernel, kernelArgs and memory",
  );
}

const PANIC = "the kernel panicked: "; // as machines/console.ts says

function atWork(cpuShare = 0): string {
  return cpuShare > 0.5 ? ", and is at work" : "";
}

function init(facts: Facts): Verdict {
  const { machine, host, guest } = facts;
  const fatal = host?.console.fatal;
  const report = guest?.report;
  if (report === undefined) {
    if (guest?.banner === true) return unknown("the guest's agent does not answer, but its SSH server does");
    const seen = (host?.console.last ?? "") || "its console is empty";
    if (fatal !== undefined)
      return broken(seen, `the boot has ended: ${fatal}`, `see: mayfly logs ${machine.name}; then: ${machine.replace}`);
    return broken(
      seen,
      `neither the guest's agent nor its SSH server answers: the guest hangs${atWork(host?.qemu?.cpuShare)}`,
      `see: mayfly logs ${machine.name}, mayfly console ${machine.name}; then: ${machine.replace}`,
    );
  }
  return report.init.kind === "systemd" ? systemd(report, facts) : otherInit(report);
}

function systemd({ init: { systemd: state = "", jobs, failedUnits }, sshd }: GuestReport, facts: Facts): Verdict {
  const { machine, host } = facts;
  const console = `see: mayfly logs ${machine.name}`;
  if (state === "running") return ok("systemd is running");
  if (state === "degraded") return ok(`systemd is degraded; failed: ${failedUnits.join("; ")}`);
  const seen = [`systemctl is-system-running: ${state || "no answer"}`, ...jobs].join("\n");
  if (state === "initializing" || state === "starting") {
    if (sshd.listens === true) return ok(seen);
    const what = jobs.length === 0 ? "" : ", and waits for what is named above";
    return broken(
      seen,
      `systemd is still starting${what}`,
      `give it time (bootTimeout), or mend that unit; ${console}`,
    );
  }
  if (state === "maintenance")
    return broken(seen, "systemd went into emergency mode", `${console}; a broken /etc/fstab is the usual cause`);
  if (state === "stopping") return broken(seen, "the guest shuts down", machine.bringBack);
  const frozen = host?.console.fatal === "systemd froze";
  return broken(
    frozen ? `${seen}\n${host.console.last}` : seen,
    frozen
      ? "systemd (PID 1) has crashed and is frozen: nothing is started or stopped any more"
      : "systemd (PID 1) hangs: it does not answer",
    `${console}; systemd does not come back: ${machine.replace}`,
  );
}

function otherInit({ init: { process = "" } }: GuestReport): Verdict {
  const [state = "", title = ""] = process.split(" ");
  if (process === "") return unknown("the guest does not say which process is PID 1");
  return ok(`PID 1 is ${title} (${state})`);
}
