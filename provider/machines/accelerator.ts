import { existsSync, accessSync, constants } from "node:fs";
import { join } from "node:path";
import { ARCHITECTURES, hostArchitecture } from "../architectures";
import { MayflyError } from "../errors";
import { readFileIfExists, writeFileAtomic } from "../host/files";
import { withLock } from "../host/locks";
import type { Paths } from "../host/paths";
import { Podman } from "../host/podman";
import { hostBootId } from "../host/process-identity";
import type { Say } from "../host/progress";
import { run } from "../host/run";
import type { ArchitectureName } from "../schema/architecture";
import { opensInContainer, rightsOn } from "./kvm-rights";
import type { Progress } from "./plan";
import { optionPath } from "./qemu-command";
import type { Accelerator } from "./spec";

/** Whether KVM is of use on this host, and why (not). */
interface AcceleratorVerdict {
  readonly accelerator: Accelerator;
  /** One sentence for people. */
  readonly reason: string;
  /** The boot of the host for which this holds. */
  readonly bootId: string;
  /** Seconds that the proof took under emulation. */
  readonly tcgSeconds?: number;
  /** Seconds that the same took with KVM. */
  readonly kvmSeconds?: number;
  /** Where a container could not open the device: with which rights on it, see {@link rightsOn}. */
  readonly rights?: string;
}

const GUEST_FOLDER = join(__dirname, "..", "guest");

/** By architecture: qemu's arguments that run the payload, and the exit code by which it says that it came to its end. */
const PROBES: Readonly<Record<ArchitectureName, { readonly args: readonly string[]; readonly exitCode: number }>> = {
  amd64: {
    args: [
      ...["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"],
      ...["-drive", `file=${optionPath(join(GUEST_FOLDER, "accelerator-probe.bin"))},format=raw,if=ide,snapshot=on`],
    ],
    exitCode: 33, // the payload writes 0x10 to isa-debug-exit, which makes (0x10 << 1) | 1
  },
  arm64: {
    args: ["-machine", ARCHITECTURES.arm64.machine, "-kernel", join(GUEST_FOLDER, "accelerator-probe-arm64.bin")],
    exitCode: 0, // it asks PSCI to switch the machine off
  },
};
const TCG_DEADLINE_MS = 30_000; // takes half a second on an idle host

/** By the file that it is kept in: what this process has found out, or is about to. */
const verdicts = new Map<string, Promise<AcceleratorVerdict>>();

/**
 * Finds out whether KVM works on this host, once a boot. A `/dev/kvm` that opens proves nothing: some para-virtual ones
 * run small payloads to their right end, but a hundred times slower than emulation, and a stock kernel never. So the
 * same payload runs under emulation and with KVM, and KVM has to end it rightly and sooner.
 */
export async function proveAccelerator(
  paths: Paths,
  signal: AbortSignal,
  kvmDevice = "/dev/kvm",
  podman = new Podman(paths),
): Promise<AcceleratorVerdict> {
  const file = verdictFile(paths, kvmDevice);
  const verdict = verdicts.get(file) ?? look(file, paths, signal, kvmDevice, podman);
  verdicts.set(file, verdict);
  return verdict.catch((error: unknown) => {
    verdicts.delete(file); // the next caller tries again
    throw error;
  });
}

function verdictFile(paths: Paths, kvmDevice: string): string {
  return join(paths.verdicts, `accelerator${kvmDevice.replaceAll("/", "-")}.json`);
}

async function look(
  file: string,
  paths: Paths,
  signal: AbortSignal,
  kvmDevice: string,
  podman: Podman,
): Promise<AcceleratorVerdict> {
  const known = await readVerdict(file, kvmDevice);
  if (known !== undefined) return known;
  return withLock(paths.locks, "accelerator-verdict", signal, async () => {
    const meanwhile = await readVerdict(file, kvmDevice); // of another process, while we waited for it
    if (meanwhile !== undefined) return meanwhile;
    const finding = (await unusable(kvmDevice, podman, signal)) ?? (await race(signal));
    const found = { bootId: hostBootId(), ...finding };
    await writeFileAtomic(file, JSON.stringify(found));
    return found;
  });
}

/** What is on file, as long as it holds. */
async function readVerdict(file: string, kvmDevice: string): Promise<AcceleratorVerdict | undefined> {
  const text = await readFileIfExists(file);
  if (text === undefined) return undefined;
  const verdict = JSON.parse(text) as AcceleratorVerdict;
  return verdict.bootId === hostBootId() && holds(verdict, kvmDevice) ? verdict : undefined;
}

/** Rights on the device may change while the host runs, so a "not usable" for want of them is looked at each time. */
function holds({ kvmSeconds, tcgSeconds, rights }: AcceleratorVerdict, device: string): boolean {
  if ((kvmSeconds ?? tcgSeconds) !== undefined) return true;
  return rights !== undefined && existsSync(device) && rights === rightsOn(device);
}

type Finding = Omit<AcceleratorVerdict, "bootId">;

/** Why KVM need not be tried. What counts is what qemu will be able to open, in its container. */
async function unusable(device: string, podman: Podman, signal: AbortSignal): Promise<Finding | undefined> {
  if (!existsSync(device)) return { accelerator: "tcg", reason: `${device} does not exist` };
  try {
    accessSync(device, constants.R_OK | constants.W_OK);
  } catch {
    return {
      accelerator: "tcg",
      reason: `no right to use ${device}: sudo usermod --append --groups kvm $USER, then log in anew${WITH_CRUN}`,
    };
  }
  if (await opensInContainer(podman, device, signal)) return undefined;
  return {
    accelerator: "tcg",
    rights: rightsOn(device), // a container that tries it takes as long as a clone's start
    reason: `only a group of yours has the right to use ${device}, and podman lends it to containers with crun alone: sudo apt-get install crun, and have podman use it`,
  };
}

/** For users whose containers would not have that group otherwise; root's have no need of it. */
const WITH_CRUN = process.getuid?.() === 0 ? "" : "; podman has to use crun, which alone lends a group to containers";

async function race(signal: AbortSignal): Promise<Finding> {
  const native = hostArchitecture();
  const emulated = ["-accel", "tcg", "-cpu", ARCHITECTURES[native].emulatedCpu];
  const tcg = await probe(native, emulated, TCG_DEADLINE_MS, signal);
  if (typeof tcg === "string") return { accelerator: "tcg", reason: `the probe failed under emulation: ${tcg}` };
  const kvm = await probe(native, ["-accel", "kvm", "-cpu", "host"], Math.ceil(tcg * 1_000), signal);
  if (typeof kvm === "string") {
    return {
      accelerator: "tcg",
      reason: `KVM failed the probe, which emulation ends in ${tcg.toFixed(2)} s: ${kvm}`,
      tcgSeconds: tcg,
    };
  }
  const reason = `KVM ended the probe in ${kvm.toFixed(2)} s, emulation in ${tcg.toFixed(2)} s`;
  return { accelerator: "kvm", reason, tcgSeconds: tcg, kvmSeconds: kvm };
}

/** Runs an architecture's payload; seconds when it ended rightly, else what happened. */
export async function probe(
  architecture: ArchitectureName,
  accelerator: readonly string[],
  deadlineMs: number,
  signal: AbortSignal,
): Promise<number | string> {
  const { qemu } = ARCHITECTURES[architecture];
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(deadlineMs)]);
  const started = performance.now();
  const args = [
    ...accelerator,
    ...["-m", "16", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"],
    ...PROBES[architecture].args,
  ];
  try {
    await run(qemu, args, { signal: deadline, okExitCodes: [PROBES[architecture].exitCode], killAtOnce: true });
    return (performance.now() - started) / 1_000;
  } catch (error) {
    signal.throwIfAborted();
    if (deadline.aborted) return `not done after ${(deadlineMs / 1_000).toFixed(2)} s`;
    if (error instanceof MayflyError && error.code === "TOOL_FAILED") return error.evidence ?? error.message;
    throw error;
  }
}

/**
 * The accelerator for a machine. Where there is a KVM that is not used, a process says so once, and why; as a warning where
 * a command of the user's mends it.
 *
 * @param architecture What its image's programs are for.
 * @throws {MayflyError} `KVM_UNUSABLE` when KVM is asked for and was not proved.
 */
export async function chooseAccelerator(
  paths: Paths,
  wanted: "auto" | Accelerator,
  architecture: ArchitectureName,
  { signal, say }: Pick<Progress, "signal" | "say">,
  kvmDevice = "/dev/kvm",
): Promise<Accelerator> {
  if (wanted === "tcg") return "tcg";
  if (architecture !== hostArchitecture()) {
    if (wanted === "kvm") throw otherProcessor(architecture);
    return "tcg";
  }
  const { accelerator, reason } = await proveAccelerator(paths, signal, kvmDevice);
  if (accelerator === "kvm") return "kvm";
  if (wanted === "kvm") {
    throw new MayflyError("KVM_UNUSABLE", "KVM cannot be used on this host", {
      evidence: reason,
      remedy: "leave out `accelerator` (the VM runs under emulation then), or use a host with working KVM",
    });
  }
  if (existsSync(kvmDevice)) tellOnce(verdictFile(paths, kvmDevice), reason, say);
  return "tcg";
}

/** Verdict files by which this process has told why KVM is not used. */
const told = new Set<string>();

function tellOnce(file: string, reason: string, say: Say): void {
  if (told.has(file)) return;
  told.add(file);
  const [why = ""] = reason.split("\n");
  say(`${why.includes("sudo ") ? "warning: " : ""}VMs are emulated, about ten times slower than with KVM: ${why}`);
}

function otherProcessor(architecture: ArchitectureName): MayflyError {
  return new MayflyError("KVM_UNUSABLE", `KVM cannot run a guest for ${architecture} on this host`, {
    evidence: `the image is for ${architecture}, this host's processor is ${hostArchitecture()}: its guests are emulated`,
    remedy: "leave out `accelerator`, or take the image for this host's own processor",
  });
}
