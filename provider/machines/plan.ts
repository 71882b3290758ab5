import { basename } from "node:path";
import { ARCHITECTURES, type Architecture } from "../architectures";
import type { Context, Owner } from "../context";
import type { BootArtefacts } from "../images/artefacts";
import type { BootDisk } from "../images/disk";
import type { Exit } from "./exits";
import type { Start } from "./qemu-command";
import type { Seat } from "./seats";
import type { Access, Identity, MachineSpec, PortSpec } from "./spec";
import type { Template } from "./templates";

/** A machine to be made. */
export interface MachinePlan {
  readonly owner: Owner;
  /** The image, as the user named it; for people. */
  readonly image: string;
  readonly spec: MachineSpec;
  readonly identity: Identity;
  /** Who may log in; to a guest that boots from a disk, at first. */
  readonly access: Access;
  readonly boot: BootArtefacts | BootDisk;
  /** Data of the user's for cloud-init. */
  readonly userData: string | undefined;
  /** Configuration of the user's for Ignition. */
  readonly ignition: string | undefined;
  /** Seconds that it lives; absent: until it is removed. */
  readonly lifetime: number | undefined;
  /** Whether it starts from a template: if that can be, never, or else not at all. */
  readonly warmBoot: "auto" | "never" | "required";
  /** Wait until the guest's sshd can be asked. */
  readonly waits: boolean;
  /** Seconds until a guest that does not come up is given up. */
  readonly bootTimeout: number;
}

/**
 * Whether what a machine boots from is a disk with its own loader and a guest of its own, in which nothing of ours runs;
 * not what we have taken out of an OCI image.
 */
export function isBootDisk(boot: MachinePlan["boot"]): boot is BootDisk {
  return "firmware" in boot;
}

/** The processor that a guest's programs are for. A disk's are for amd64, and so are those of plans that former versions kept. */
export function architectureOf(boot: Pick<BootArtefacts, "architecture"> | BootDisk): Architecture {
  return ARCHITECTURES[("architecture" in boot ? boot.architecture : undefined) ?? "amd64"];
}

/**
 * Name of the kernel that a machine starts with. Through its kernel it is the image's own, which moves itself to random
 * addresses. A template and the machines made of it have the one that they share: it lies at the same addresses in all of
 * them in any case, and as a bzImage QEMU would keep 14 MiB for each.
 */
export function kernelOf({ kernel, pvhKernel }: Pick<BootArtefacts, "kernel" | "pvhKernel">, start: Start): string {
  return basename(start === "cold" ? kernel : (pvhKernel ?? kernel));
}

/** A machine to be made that has its places in private networks, and whose ways out have addresses. */
export interface SeatedPlan extends MachinePlan {
  readonly seats: readonly Seat[];
  readonly exits: readonly Exit[];
}

/** One that boots what was taken out of an OCI image. */
export type ImagePlan = SeatedPlan & { readonly boot: BootArtefacts };

/** The part of it that qemu is started by. */
export type LaunchPlan = Pick<ImagePlan, "owner" | "spec" | "boot" | "seats" | "exits"> & {
  readonly identity: Pick<Identity, "mac">;
  /** Port of the host that is to lead to the guest's sshd; absent: a free one. */
  readonly sshPort?: number;
};

/** How work tells of itself, and how long it may take. */
export type Progress = Pick<Context, "signal" | "step" | "say">;

/** A machine that runs. */
export interface StartedMachine {
  /** Port of the host, at 127.0.0.1, that leads to the guest's sshd. */
  readonly sshPort: number;
  /** The declared ports, each with the host port that it has. */
  readonly ports: readonly PortSpec[];
  /** Path of the console's log. */
  readonly consoleLog: string;
  /** Its address in each of its private networks. */
  readonly addresses: readonly string[];
  /** The template that it started from; absent where it booted through its kernel, as one that nobody waits for does. */
  readonly template?: Template;
}
