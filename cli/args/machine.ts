import type { Command } from "commander";
import type { VMInputs, VMSpec } from "../../provider/schema/vm";
import { withoutPointer } from "../../provider/errors";
import { readDisk } from "./disk";
import { instanceType } from "./itype";
import { numeric } from "./number";
import { readPair } from "./pairs";
import { repeated } from "../verb";
import { UsageError } from "../trouble";

/** Options that say what a VM is to be, as they were written. */
export interface MachineOptions {
  readonly name?: string;
  readonly arch?: string;
  readonly memory?: string;
  readonly cpus?: string;
  readonly vcpus?: string;
  readonly itype?: string;
  readonly disk?: string;
  readonly mountDiskFile?: readonly string[];
  readonly addSwap?: string;
  readonly bind?: readonly string[];
  readonly roBind?: readonly string[];
  readonly port?: readonly string[];
  readonly network?: readonly string[];
  readonly allow?: readonly string[];
  readonly expires?: string;
  readonly karg?: readonly string[];
  readonly env?: readonly string[];
  readonly label?: readonly string[];
  readonly systemdUnits?: string;
  readonly userData?: string;
  readonly ignition?: string;
  readonly bindStorageRo?: true;
  readonly logDir?: string;
  readonly accelerator?: string;
  readonly bootTimeout?: string;
  readonly warm?: boolean;
}

/**
 * Adds these options to a verb. They are read by {@link readMachine}, so that help needs no schema.
 *
 * @param env Flags of `--env`: a short one means something else to ssh(1).
 */
export function machineOptions(command: Command, env = "--env <name=value>"): Command {
  return guestOptions(sizeOptions(command), env)
    .option("--name <name>", "name of the VM, and its host name (default: after the image, with a number)")
    .option("--bind <host:guest>", "a directory of this host in the guest; may be repeated", repeated)
    .option("--ro-bind <host:guest>", "the same, read-only; may be repeated", repeated)
    .option("--port <[address:][host:]guest[/udp]>", "a port of the guest on this host; may be repeated", repeated)
    .option(
      "--network <user|isolated|name[:address]>",
      "the way out, or a private network to be in (made where there is none); may be repeated",
      repeated,
    )
    .option("--allow <host:port>", "what a VM with --network isolated may reach; may be repeated", repeated)
    .option("--expires <time>", "remove the VM after this time: 90s, 30m, 2h, 1d (default: never)")
    .option("--label <name=value>", "a label, for `mayfly ls` and podman; may be repeated", repeated)
    .option("--log-dir <streams=dir>", "write console,journal (or one) to console.txt and journal.json in a folder")
    .option("--arch <amd64|arm64>", "CPU architecture of the VM and its image (default: this host's)")
    .option("--accelerator <auto|kvm|tcg>", "how its instructions are run (default: auto)")
    .option("--boot-timeout <time>", "longest boot before it is given up (default: 5m)")
    .option("--no-warm", "boot through the kernel, not from a template");
}

function sizeOptions(command: Command): Command {
  return command
    .option("--memory <size>", "memory: 512MiB, 2G (default: 1GiB)")
    .option("--cpus <number>", "virtual CPUs (default: 2)")
    .option("--vcpus <number>", "the same as --cpus")
    .option("--itype <type>", "CPUs and memory as a KubeVirt instance type: u1.nano, u1.micro, u1.small, u1.medium, …")
    .option("--disk <size>", "scratch disk for what the guest writes (default: that is kept in its memory)")
    .option(
      "--mount-disk-file <file[:name[:format]]>",
      "a disk image as /dev/disk/by-id/virtio-NAME, raw or qcow2; may be repeated",
      repeated,
    )
    .option("--add-swap <size>", "a disk of this size to swap to");
}

function guestOptions(command: Command, env: string): Command {
  return command
    .option("--karg <argument>", "added to the kernel's command line; may be repeated", repeated)
    .option(env, "a variable of every login session; may be repeated", repeated)
    .option("--systemd-units <dir>", "units of DIR/system, or DIR, for its systemd; those with [Install] are started")
    .option("--user-data <file>", "for the image's cloud-init; the VM is up when that is done")
    .option("--ignition <file>", "a configuration as JSON for the image's Ignition")
    .option(
      "--bind-storage-ro",
      "this host's container storage, read only, at /mnt/hoststorage: podman's additionalimagestore",
    );
}

/** A private network by name, as `--network` has it. */
export interface NetworkChoice {
  readonly name: string;
  readonly address: string | undefined;
}

/** What was asked for: the inputs of a VM as a program would write them, and by which option each came. */
export interface AskedMachine {
  readonly inputs: Omit<VMInputs, "image" | "cpus"> & { readonly cpus?: string | number };
  readonly networks: readonly NetworkChoice[];
  /** `--bind ./x:/y` by `mounts[0]`. */
  readonly origins: ReadonlyMap<string, string>;
}

/** Translates options into the inputs of a VM; the VM's own schema checks them. */
export function readMachine(options: MachineOptions): AskedMachine {
  const origins = new Map<string, string>([
    ...Object.entries({ memory: "--memory", cpus: "--cpus", disk: "--disk", expiresAfter: "--expires" }),
    ...Object.entries({ accelerator: "--accelerator", bootTimeout: "--boot-timeout", hostname: "--name" }),
    ...Object.entries({ swap: "--add-swap", systemdUnits: "--systemd-units" }),
    ...Object.entries({ userData: "--user-data", ignition: "--ignition" }),
  ]);
  const each = <T>(
    field: string,
    option: string,
    values: readonly string[] = [],
    read: (value: string) => T,
    from = 0,
  ) =>
    values.map((value, index) => {
      origins.set(`${field}[${String(index + from)}]`, `${option} ${value}`);
      return read(value);
    });
  const written = each("mounts", "--bind", options.bind, (value) => readBind("--bind", value, false));
  const read = each(
    "mounts",
    "--ro-bind",
    options.roBind,
    (value) => readBind("--ro-bind", value, true),
    written.length,
  );
  const wayOut = (options.network ?? []).filter((name) => isWayOut(name));
  if (wayOut.length > 1) throw new UsageError(`--network ${wayOut.join(", --network ")}: a VM has one way out`);
  const names = (options.network ?? []).filter((name) => !isWayOut(name));
  const inputs = {
    ...readSize(options, origins),
    ...given({ disk: numeric(options.disk), swap: numeric(options.addSwap) }),
    disks: each("disks", "--mount-disk-file", options.mountDiskFile, readDisk),
    ...given({ expiresAfter: options.expires, hostname: options.name, bootTimeout: options.bootTimeout }),
    ...given({ network: wayOut[0] as VMSpec["network"] | undefined }),
    ...given({ accelerator: options.accelerator as VMSpec["accelerator"] | undefined }),
    mounts: [...written, ...read],
    ports: each("ports", "--port", options.port, readPort),
    allow: each("allow", "--allow", options.allow, (value) => value),
    kernelArgs: each("kernelArgs", "--karg", options.karg, (value) => value),
    environment: readPairs("--env", "environment", options.env ?? [], origins),
    labels: readPairs("--label", "labels", options.label ?? [], origins),
    ...(options.warm === false ? { warmBoot: "never" as const } : {}),
  };
  return { inputs, networks: each("networks", "--network", names, readNetwork), origins };
}

/** What is wrong with a VM, by the option that is to be changed. */
export function tellFailures(
  failures: readonly { readonly property: string; readonly reason: string }[],
  origins: ReadonlyMap<string, string>,
): UsageError {
  const lines = failures.map(({ property, reason }) => {
    const [first = "", index = ""] = /^\w+|\[[^\]]+\]/g[Symbol.match](property) ?? [];
    const origin = origins.get(`${first}${index}`) ?? origins.get(first) ?? property;
    const said = withoutPointer(reason).replaceAll("\n", "\n         ");
    return origin === "" ? said : `${origin}: ${said}`;
  });
  return new UsageError(lines.join("\n       "));
}

function isWayOut(name: string): boolean {
  return name === "user" || name === "isolated";
}

type Given<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> };

function given<T extends object>(fields: T): Given<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Given<T>;
}

/**
 * `HOST:GUEST`; the guest's path begins at the last colon before a slash, so that the host's may hold colons. `:ro` and
 * `:rw` behind it, as podman has them; its other options are not for a VM.
 */
function readBind(
  option: string,
  text: string,
  readOnly: boolean,
): { source: string; target: string; readOnly: boolean } {
  const [, source, target, access] = /^(.+):(\/[^:]*)(?::(ro|rw))?$/.exec(text) ?? [];
  if (source === undefined || target === undefined)
    throw new UsageError(
      `${option} ${text}: must be HOST:GUEST with an absolute path in the guest, such as ./site:/srv/site or ./site:/srv/site:ro`,
    );
  if (readOnly && access === "rw") throw new UsageError(`${option} ${text}: is read-only; --bind is not`);
  return { source, target, readOnly: readOnly || access === "ro" };
}

/** `[[ADDRESS:]HOST:]GUEST[/PROTOCOL]`, as podman's `--publish`. */
function readPort(text: string): NonNullable<VMInputs["ports"]>[number] {
  const [, hostAddress, host, guest, protocol] =
    /^(?:(?:(\d+(?:\.\d+){3}):)?(\d*):)?(\d+)(?:\/(tcp|udp))?$/.exec(text) ?? [];
  if (guest === undefined)
    throw new UsageError(
      `--port ${text}: must be GUEST, HOST:GUEST or ADDRESS:HOST:GUEST, such as 8080:80, and may end in /udp`,
    );
  return {
    ...{ guest: Number(guest), host: Number(host ?? 0) },
    ...given({ hostAddress, protocol: protocol as "tcp" | "udp" | undefined }),
  };
}

/** As a network is named: by the command, `STACK/NAME`, `PROJECT/STACK/NAME`, or by its id. */
const NETWORK_NAME = /^(?!.*\.\.)[\w.-]{1,63}(?:\/[\w.-]{1,63}){0,2}$/;

function readNetwork(text: string): NetworkChoice {
  const [, name = "", address] = /^([^:]*)(?::([\d.]+))?$/.exec(text) ?? [];
  if (isWayOut(name)) throw new UsageError(`--network ${text}: the way out, ${name}, has no address to choose`);
  if (!NETWORK_NAME.test(name) || /^[.-]/.test(name))
    throw new UsageError(
      `--network ${text}: must be user, isolated, NAME or NAME:ADDRESS, where a name is of letters, digits, _, . and -, ` +
        "and begins with one of the first three",
    );
  return { name, address };
}

/** `NAME=VALUE`, several times. */
function readPairs(
  option: string,
  field: string,
  values: readonly string[],
  origins: Map<string, string>,
): Record<string, string> {
  return Object.fromEntries(
    values.map((text) => {
      const [name, value] = readPair(option, text);
      origins.set(`${field}["${name}"]`, `${option} ${name}`).set(field, option);
      return [name, value];
    }),
  );
}

/** CPUs and memory; a size by name has both. */
function readSize(
  { itype, memory, cpus, vcpus }: MachineOptions,
  origins: Map<string, string>,
): Given<Pick<AskedMachine["inputs"], "memory" | "cpus">> {
  if (cpus !== undefined && vcpus !== undefined) throw new UsageError("--cpus and --vcpus are the same: give one");
  if (vcpus !== undefined) origins.set("cpus", "--vcpus");
  if (itype === undefined) return given({ memory: numeric(memory), cpus: numeric(cpus ?? vcpus) });
  const [other] = Object.entries({ memory, cpus, vcpus }).flatMap(([name, value]) => (value === undefined ? [] : name));
  if (other !== undefined)
    throw new UsageError(`--itype and --${other}: a type has CPUs and memory of its own: give one`);
  const type = instanceType(itype);
  for (const field of ["memory", "cpus"]) origins.set(field, `--itype ${itype}`);
  return { memory: type.memoryMiB, cpus: type.cpus };
}
