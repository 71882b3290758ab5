import { randomBytes } from "node:crypto";
import { pack, type Pack } from "tar-stream";
import { seedFiles } from "./cloud-init";
import { exitLines, type Exit } from "./exits";
import type { AttachedDisk } from "./disks";
import type { Seat } from "./seats";
import type { Access, Identity, MountSpec } from "./spec";

/** What a machine is given from outside, beside its identity. */
export interface Belongings {
  readonly mounts: readonly MountSpec[];
  /** Disks beside those of its root. Absent in what former versions kept. */
  readonly disks?: readonly Pick<AttachedDisk, "serial">[];
  /** Places in private networks. Absent in what former versions kept. */
  readonly seats?: readonly Seat[];
  /** Ways out. Absent in what former versions kept. */
  readonly exits?: readonly Exit[];
  /** The user's, for cloud-init. */
  readonly userData?: string | undefined;
  /** The user's, for Ignition. */
  readonly ignition?: string | undefined;
}

/** What a machine keeps of itself beside the disk made of it. */
export interface KeptIdentity extends Belongings {
  readonly identity: Identity;
}

/** Hex digits of a new machine-id: random, version 4 as machine-id(5) wants it. */
export function newMachineId(): string {
  const bytes = randomBytes(16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytes.toString("hex");
}

/** A hardware address out of QEMU's own range, 52:54:00. */
export function newMac(): string {
  return ["52", "54", "00", ...[...randomBytes(3)].map((byte) => byte.toString(16).padStart(2, "0"))].join(":");
}

/**
 * Rules for the guest's sshd, read before the image's own. Keys only, and none but those declared: neither the image's
 * `authorized_keys` nor its host keys count.
 */
export const SSHD_CONFIG = `# Written by Mayfly; sshd takes the first value of a keyword.
Port 22
HostKey /etc/mayfly/ssh_host_key
AuthorizedKeysFile /etc/mayfly/access/keys/%u
AuthorizedKeysCommand none
TrustedUserCAKeys none
PermitRootLogin prohibit-password
PubkeyAuthentication yes
AuthenticationMethods publickey
# An ssh-agent offers all of its keys, and each counts as a try.
MaxAuthTries 32
PasswordAuthentication no
KbdInteractiveAuthentication no
UseDNS no
MaxSessions 64
MaxStartups 100:30:200
# A remote forward listens where it says, and not at the loopback instead, in silence.
GatewayPorts clientspecified
`;

/** The identity disk: a tar that the initramfs unpacks over the image's files. */
export async function identityTar(identity: Identity, access: Access, belongings: Belongings): Promise<Buffer> {
  const { mounts, disks = [], seats = [], exits = [], userData, ignition } = belongings;
  const tar = pack();
  const file = (name: string, text: string, mode = 0o644) => {
    tar.entry({ name: `etc/mayfly/${name}`, mode }, text);
  };
  file("hostname", `${identity.hostname}\n`);
  file("machine-id", `${identity.machineId}\n`);
  file("ssh_host_key", identity.hostPrivateKey, 0o600);
  file("ssh_host_key.pub", `${identity.hostPublicKey}\n`);
  file("sshd_config", SSHD_CONFIG);
  file("mac", `${identity.mac}\n`);
  file("environment", environmentFile(identity.environment));
  file("mounts", mounts.map(mountLine).join(""));
  file("disks", disks.map(({ serial }) => `${serial}\n`).join(""));
  addUnits(tar, identity.units ?? {});
  file("networks", seats.map(networkLine).join(""));
  file("allowed", exitLines(exits));
  if (ignition !== undefined) file("ignition.json", ignition, 0o600);
  if (userData !== undefined)
    for (const { path: name, mode, text } of seedFiles(identity, userData)) tar.entry({ name, mode }, text);
  addAccess(tar, access);
  return finish(tar);
}

/**
 * The identity disk of a template: none, but the rules that all machines have. `agent.sh` waits for the rest.
 *
 * @param settleSeconds How long the guest's services may take.
 */
export async function templateTar(settleSeconds: number): Promise<Buffer> {
  const tar = pack();
  tar.entry({ name: "etc/mayfly/template", mode: 0o644 }, `${String(settleSeconds)}\n`);
  tar.entry({ name: "etc/mayfly/sshd_config", mode: 0o644 }, SSHD_CONFIG);
  return finish(tar);
}

/**
 * Only who may log in, for a machine that runs.
 *
 * @param more Texts to go along, by their paths below `/etc/mayfly`.
 */
export async function accessTar(access: Access, more: ReadonlyMap<string, string> = new Map()): Promise<Buffer> {
  const tar = pack();
  addAccess(tar, access);
  for (const [name, text] of more) tar.entry({ name: `etc/mayfly/${name}`, mode: 0o600 }, text);
  return finish(tar);
}

/** Units for the guest's systemd, and the list of those that `units.sh` is to start. */
function addUnits(tar: Pack, units: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(units))
    tar.entry({ name: `etc/systemd/system/${name}`, mode: 0o644 }, text);
  const installed = Object.keys(units).filter((name) => /^\[Install\]/m.test(units[name] ?? ""));
  const isThere = Object.keys(units).length > 0;
  tar.entry({ name: "etc/mayfly/units", mode: 0o644 }, isThere ? `${["", ...installed].join("\n")}\n` : "");
}

function addAccess(tar: Pack, { rootKeys, users }: Access): void {
  const file = (name: string, text: string) => {
    tar.entry({ name: `etc/mayfly/access.next/${name}`, mode: 0o644 }, text);
  };
  file("users", users.map((user) => `${userLine(user)}\n`).join(""));
  file("keys/root", keyLines(rootKeys));
  for (const { name, authorizedKeys } of users) file(`keys/${name}`, keyLines(authorizedKeys));
}

function keyLines(keys: readonly string[]): string {
  return keys.map((key) => `${key.trim()}\n`).join("");
}

/** One line of the table that `apply-access.sh` reads. */
function userLine({ name, uid, anyUid, groups, sudo, shell, home }: Access["users"][number]): string {
  return [
    name,
    `${String(uid)}${anyUid ? "?" : ""}`,
    groups.join(",") || "-",
    sudo ? "yes" : "no",
    shell ?? "-",
    home ?? "-",
  ].join("\t");
}

/** One line of the table that `init.sh` reads. */
function mountLine({ target, readOnly }: MountSpec, index: number): string {
  return `${mountTag(index)}\t${target}\t${readOnly ? "ro" : "rw"}\n`;
}

/** One line of the table that `join-networks.sh` reads. */
function networkLine({ mac, address, prefix }: Seat, index: number): string {
  return `${String(index)}\t${mac}\t${address}/${String(prefix)}\n`;
}

/** Name of a mount on the virtiofs device. */
export function mountTag(index: number): string {
  return `mount${String(index)}`;
}

/** Whether a name is that of a mount. */
export function isMountTag(name: string): boolean {
  return /^mount\d+$/.test(name);
}

/**
 * Lines of /etc/environment. pam_env(8) takes off the outer quotes and reads all between them as it stands, but for what the
 * schema refuses.
 */
export function environmentFile(variables: Readonly<Record<string, string>>): string {
  return Object.entries(variables)
    .map(([name, value]) => `${name}="${value}"\n`)
    .join("");
}

async function finish(tar: Pack): Promise<Buffer> {
  tar.finalize();
  const parts: Buffer[] = [];
  for await (const part of tar) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

/** The guest learns its disks' sizes when qemu starts; one that is written anew while it runs must fit the old size. */
const DISK_BYTES = 2_097_152; // keys and users take some 10 KiB; userData and ignition have limits

/** A tar as the contents of a disk: zeroes after its end, which tar(5) ignores. */
export function asDisk(tar: Buffer): Buffer {
  return Buffer.concat([tar, Buffer.alloc(Math.max(0, DISK_BYTES - tar.length))]);
}
