import { join } from "node:path";
import { MayflyError } from "../errors";
import type { Owner } from "../context";
import { hostAddresses } from "../host/addresses";
import { bindMount } from "../host/bind-mount";
import { endUnstarted } from "../host/conmon";
import { readFileIfExists } from "../host/files";
import { needProgram, type Podman } from "../host/podman";
import { identifyProcess, type ProcessIdentity } from "../host/process-identity";
import { until } from "../host/until";
import type { Exit } from "./exits";
import { diskFile, diskPath } from "./disks";
import { choosePorts, portTaken, takenOf, type ChosenPort } from "./host-ports";
import { INSIDE } from "./inside";
import { kvmArgs } from "./kvm-rights";
import { containerPort, overheadMiB, SSH_CONTAINER_PORT, TEMPLATE_FILES, type Start } from "./qemu-command";
import type { MachineSpec, PortSpec } from "./spec";
import { CLOSING_CAPABILITIES, closedTo, NEVER_ROUTED, openOnly, isKeptInByRules } from "./way-out";

/** Label that all containers of a machine carry; its value is the machine's id. */
const MACHINE_LABEL = "mayfly";

/** Name of a machine's container. */
export function containerName(id: string): string {
  return `mayfly-${id}`;
}

/** Labels by which `podman ps --filter label=…` finds a machine's containers. */
export function labelArgs(id: string, owner: Owner, further: Readonly<Record<string, string>> = {}): string[] {
  const labels = {
    ...further,
    [MACHINE_LABEL]: id,
    "mayfly.project": owner.project,
    "mayfly.stack": owner.stack,
    "mayfly.resource": owner.resource,
  };
  return Object.entries(labels).flatMap(([name, value]) => ["--label", `${name}=${value}`]);
}

/** What every container of ours has: no rights beyond those named, nothing to write to, a short end. */
export function confinement(capabilities: readonly string[] = []): string[] {
  return [
    ...["--read-only", "--read-only-tmpfs=false", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"],
    ...capabilities.flatMap((name) => ["--cap-add", name]),
    ...["--stop-timeout", "3", "--restart", "no", "--no-hosts"],
  ];
}

/** What a machine's container is started with. */
export interface ContainerSpec {
  readonly id: string;
  readonly owner: Owner;
  readonly machine: MachineSpec;
  /** QEMU's program for its processor. */
  readonly qemu: string;
  /** What an isolated machine reaches all the same. */
  readonly exits: readonly Exit[];
  /** Folder on the host that the container shares as `/machine`. */
  readonly folder: string;
  /** Folder of the boot artefacts. */
  readonly artefacts: string;
  readonly start: Start;
  /** Folder of the template that it starts from, or becomes. */
  readonly template: string | undefined;
  /** File that gets what the container prints: the console. */
  readonly log: string;
  readonly command: readonly string[];
  /** Port of the host, at 127.0.0.1, that is to lead to the guest's sshd; absent: a free one. */
  readonly sshPort: number | undefined;
  /** File that gets the number of qemu's process. */
  readonly pidFile: string;
}

/** What a machine that was started has on the host. */
export interface OnHost {
  /** qemu; `undefined` when it has ended already. */
  readonly qemu: ProcessIdentity | undefined;
  /** Port, at 127.0.0.1, that leads to the guest's sshd. */
  readonly sshPort: number;
  /** The ports that were asked for, with their numbers. */
  readonly ports: readonly PortSpec[];
}

/** Most that is kept of a console; podman starts the file anew then. A guest must not be able to fill the host's disk. */
const MAX_LOG = "16mb";

/** How often free ports are chosen, when somebody takes one of them meanwhile. */
const CHOICES = 3;

/**
 * Starts a machine's container. Free ports are chosen here, and the number of qemu's process comes by a file: to ask
 * podman for them afterwards costs a third of what the start does.
 *
 * @throws {MayflyError} `PORT_TAKEN`, or podman's own words.
 */
export async function startContainer(podman: Podman, spec: ContainerSpec, signal: AbortSignal): Promise<OnHost> {
  for (const program of [spec.qemu, "setpriv"]) needProgram(program);
  for (let choices = CHOICES; ; choices -= 1) {
    const chosen = await choosePorts([loginPort(spec), ...spec.machine.ports]);
    try {
      return await startOnce(podman, spec, chosen, signal);
    } catch (error) {
      const taken = takenOf(chosen, error);
      if (taken === undefined) throw error;
      if (choices === 1 || taken.some(({ isOurs }) => !isOurs)) throw portTaken(error as MayflyError, taken);
      await removeContainers(podman, spec.id, [], signal); // podman keeps what it could not start
    }
  }
}

/** The port that leads to the guest's sshd. */
function loginPort({ sshPort = 0 }: Pick<ContainerSpec, "sshPort">): Omit<PortSpec, "guest"> {
  return { host: sshPort, hostAddress: "127.0.0.1", protocol: "tcp" };
}

async function startOnce(
  podman: Podman,
  spec: ContainerSpec,
  [login, ...others]: readonly ChosenPort[],
  signal: AbortSignal,
): Promise<OnHost> {
  const sshPort = login?.host ?? 0;
  const ports = spec.machine.ports.map((port, index) => ({ ...port, host: others[index]?.host ?? port.host }));
  await podman.run(await startArgs(podman, { ...spec, sshPort }, ports, signal), { signal });
  const pid = Number(await readFileIfExists(spec.pidFile));
  return { qemu: Number.isNaN(pid) ? undefined : identifyProcess(pid), sshPort, ports };
}

async function startArgs(
  podman: Podman,
  spec: ContainerSpec & { readonly sshPort: number },
  ports: readonly PortSpec[],
  signal: AbortSignal,
): Promise<string[]> {
  const { network, limits, runtime } = await podman.prove(signal);
  const { machine } = spec;
  return [
    ...["run", "--detach", "--name", containerName(spec.id), ...labelArgs(spec.id, spec.owner, machine.labels)],
    ...["--pidfile", spec.pidFile, ...confinement(CLOSING_CAPABILITIES), "--network", network],
    ...publish(SSH_CONTAINER_PORT, loginPort(spec)),
    ...ports.flatMap((port, index) => publish(containerPort(index), port)),
    ...(limits ? limitArgs(machine) : []),
    ...(machine.accelerator === "kvm" ? kvmArgs(runtime) : []),
    ...["--log-driver", "k8s-file", "--log-opt", `path=${spec.log}`, "--log-opt", `max-size=${MAX_LOG}`],
    ...bindMount(spec.folder, INSIDE.machine),
    ...bindMount(spec.artefacts, INSIDE.artefacts, { readOnly: true }),
    ...diskArgs(spec),
    ...templateArgs(spec),
    ...podman.rootArgs(),
    ...confined(spec),
  ];
}

/** The command with its network closed as the machine wants it. */
function confined({ machine, exits, command }: ContainerSpec): string[] {
  if (!isKeptInByRules(machine)) return closedTo([...hostAddresses(), ...NEVER_ROUTED], command);
  needProgram("ip");
  return openOnly(exits, [SSH_CONTAINER_PORT, ...machine.ports.map((_, index) => containerPort(index))], command);
}

function templateArgs({ start, template, machine }: ContainerSpec): string[] {
  if (template === undefined) return [];
  const inside = INSIDE.template;
  if (start === "template") return bindMount(template, inside);
  const { memory, state } = TEMPLATE_FILES;
  return [
    // QEMU opens even memory that it maps privately for writing. Templates.find notices if it was written.
    ...bindMount(join(template, memory), `${inside}/${memory}`),
    ...bindMount(join(template, state), `${inside}/${state}`, { readOnly: true }),
    ...(machine.mounts.length === 0
      ? []
      : ["--tmpfs", `${INSIDE.memory}:rw,mode=700,size=${String(machine.memoryMiB + 1)}m`]),
  ];
}

/** Files of the host that are disks, each over an empty file that the machine's folder has for it. */
function diskArgs({ machine: { disks } }: ContainerSpec): string[] {
  return disks.flatMap(({ source, readOnly }, index) => bindMount(source, diskPath(diskFile(index)), { readOnly }));
}

function publish(inside: number, { host, hostAddress, protocol }: Omit<PortSpec, "guest">): string[] {
  return ["--publish", `${hostAddress}:${String(host)}:${String(inside)}/${protocol}`];
}

function limitArgs(machine: MachineSpec): string[] {
  const memory = `${String(machine.memoryMiB + overheadMiB(machine))}m`;
  // Threads of qemu: one a CPU, and a pool for disks of up to 64.
  return ["--memory", memory, "--memory-swap", memory, "--pids-limit", String(128 + machine.cpus)];
}

/** What podman knows of a machine's container. */
export interface ContainerState {
  readonly running: boolean;
  /** `running`, `exited`, `created`…, as podman says. */
  readonly status: string;
  readonly exitCode: number;
  /** qemu, while it runs. */
  readonly process: ProcessIdentity | undefined;
  /** Ports of the host by `PORT/PROTOCOL` of the container. */
  readonly ports: ReadonlyMap<string, number>;
}

interface Inspected {
  readonly State: {
    readonly Status: string;
    readonly Running: boolean;
    readonly Pid: number;
    readonly ExitCode: number;
  };
  readonly NetworkSettings: { readonly Ports: Readonly<Record<string, readonly { HostPort: string }[] | null>> | null };
}

/** Looks at a machine's container; `undefined` when there is none. */
export async function inspectContainer(
  podman: Podman,
  id: string,
  signal: AbortSignal,
): Promise<ContainerState | undefined> {
  let text: string;
  try {
    text = await podman.run(["container", "inspect", containerName(id)], { signal });
  } catch (error) {
    if (error instanceof MayflyError && /no such container/i.test(error.evidence ?? "")) return undefined;
    throw error;
  }
  const [seen] = JSON.parse(text) as Inspected[];
  if (seen === undefined) return undefined;
  const bindings = Object.entries(seen.NetworkSettings.Ports ?? {});
  return {
    running: seen.State.Running,
    status: seen.State.Status,
    exitCode: seen.State.ExitCode,
    process: seen.State.Running ? identifyProcess(seen.State.Pid) : undefined,
    ports: new Map(bindings.flatMap(([inside, hosts]) => (hosts?.[0] ? [[inside, Number(hosts[0].HostPort)]] : []))),
  };
}

/**
 * Ends and removes all containers of a machine. Succeeds when there is none.
 *
 * @param parts Names of its parts beside qemu (`mount0`), where they are known: asking podman for them costs as much as
 * the removal.
 */
export async function removeContainers(
  podman: Podman,
  id: string,
  parts: readonly string[] | undefined,
  signal: AbortSignal,
): Promise<void> {
  const names =
    parts === undefined
      ? await containersOf(podman, id, signal)
      : [containerName(id), ...parts.map((part) => containerName(`${id}-${part}`))];
  if (names.length === 0) return;
  let evidence: string | undefined;
  const remove = async () => {
    try {
      await podman.run(["rm", "--force", "--time", "0", "--ignore", ...names], { signal });
      return true;
    } catch (error) {
      if (!isEnding(error)) throw error;
      evidence = error.evidence;
      return undefined;
    }
  };
  await until("podman removes containers that are ending", remove, {
    signal: AbortSignal.any([signal, AbortSignal.timeout(ENDING_MS)]),
    code: "TOOL_FAILED",
    diagnose: () => ({ evidence, remedy: "see: podman ps --all" }),
  });
  await endUnstarted(names);
}

const ENDING_MS = 5_000; // takes some tenths of a second

/** What ends by itself at that very moment podman still wants to stop, and fails to: it has not seen the end yet. */
function isEnding(error: unknown): error is MayflyError {
  return error instanceof MayflyError && /container not running|could not be stopped/i.test(error.evidence ?? "");
}

/** Names of a machine's containers, by their label. */
async function containersOf(podman: Podman, id: string, signal: AbortSignal): Promise<string[]> {
  const filter = ["--all", "--format", "{{.Names}}", "--filter", `label=${MACHINE_LABEL}=${id}`];
  return (await podman.run(["ps", ...filter], { signal })).split("\n").filter(Boolean);
}
