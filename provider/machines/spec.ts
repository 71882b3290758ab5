/** What a machine is made of. Plain data: no defaults, no lookup, nothing that Pulumi knows. */
export interface MachineSpec {
  readonly cpus: number;
  readonly memoryMiB: number;
  /** Size of the scratch disk; what the guest writes goes to memory without one. */
  readonly scratchMiB: number | undefined;
  /** Files of the host as further disks. */
  readonly disks: readonly DiskSpec[];
  /** Size of the disk to swap to; none without. */
  readonly swapMiB: number | undefined;
  readonly mounts: readonly MountSpec[];
  readonly ports: readonly PortSpec[];
  /** The private networks that it is in. */
  readonly segments: readonly SegmentSpec[];
  /** The guest reaches nothing outside but its private networks; SSH and `ports` still reach it. */
  readonly isolated: boolean;
  /** What it reaches all the same, if it is isolated. */
  readonly allow: readonly ExitSpec[];
  /** The guest finds its network by DHCP, as one of a disk does; others are given it. */
  readonly asksDhcp?: boolean;
  readonly kernelArgs: readonly string[];
  readonly accelerator: Accelerator;
  /** Labels of its container, beside our own. */
  readonly labels: Readonly<Record<string, string>>;
}

/** What of a machine its template has already; the rest comes after the restore. */
export type MachineSize = Pick<MachineSpec, "cpus" | "memoryMiB" | "scratchMiB" | "kernelArgs" | "accelerator">;

/** A machine of that size that nobody talks to and that talks to nobody. */
export function bareSpec({ cpus, memoryMiB, scratchMiB, kernelArgs, accelerator }: MachineSize): MachineSpec {
  const size = { cpus, memoryMiB, scratchMiB, kernelArgs, accelerator };
  return {
    ...size,
    disks: [],
    swapMiB: undefined,
    labels: {},
    mounts: [],
    segments: [],
    ports: [],
    isolated: true,
    allow: [],
  };
}

/** How the guest's instructions are run: by the processor, or by emulation. */
export type Accelerator = "kvm" | "tcg";

/** A directory of the host in the guest. */
export interface MountSpec {
  /** Absolute path on the host. */
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
  /** Guest user id that is taken for the owner of `source`. */
  readonly ownerId: number;
}

/** A file of the host that the guest sees as a disk. */
interface DiskSpec {
  /** Absolute path on the host. */
  readonly source: string;
  /** Its serial number, by which the guest finds it. */
  readonly name: string;
  readonly format: "raw" | "qcow2";
  readonly readOnly: boolean;
}

/** A private network that a machine is to be in. */
export interface SegmentSpec {
  /** Id of the network. */
  readonly network: string;
  /** Its addresses, as `10.80.0.0/24`. */
  readonly subnet: string;
  /** The machine's address in it; absent: any that is free. */
  readonly address: string | undefined;
  /** By which the network's machines find this one. */
  readonly names: readonly string[];
}

/** A TCP port outside that an isolated guest may reach. */
export interface ExitSpec {
  /** Host name or IPv4 address. */
  readonly host: string;
  readonly port: number;
}

/** A port of the guest on the host. */
export interface PortSpec {
  readonly guest: number;
  /** 0 takes a free one. */
  readonly host: number;
  readonly hostAddress: string;
  readonly protocol: "tcp" | "udp";
}

/** A machine's own self, given to it before its init starts. */
export interface Identity {
  readonly hostname: string;
  /** 32 hexadecimal digits; machine-id(5). */
  readonly machineId: string;
  /** Hardware address of the first network card. */
  readonly mac: string;
  /** Private host key, OpenSSH's form. */
  readonly hostPrivateKey: string;
  /** Public host key, one line. */
  readonly hostPublicKey: string;
  /** Variables for login sessions. */
  readonly environment: Readonly<Record<string, string>>;
  /** Units for its systemd, by file name. Absent in what former versions kept. */
  readonly units?: Readonly<Record<string, string>>;
}

/** Who may log in. */
export interface Access {
  readonly rootKeys: readonly string[];
  readonly users: readonly UserAccess[];
}

/** One user beside root. */
interface UserAccess {
  readonly name: string;
  readonly uid: number;
  /** Another id will do where the guest has given this one to somebody else. */
  readonly anyUid: boolean;
  readonly groups: readonly string[];
  readonly sudo: boolean;
  readonly shell: string | undefined;
  readonly home: string | undefined;
  readonly authorizedKeys: readonly string[];
}
