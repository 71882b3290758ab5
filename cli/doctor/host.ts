import { existsSync, readFileSync } from "node:fs";
import { availableMemoryMiB, diskSpace, hostMemoryMiB } from "../../provider/host/capacity";
import { MayflyError } from "../../provider/errors";
import { proveAccelerator } from "../../provider/machines/accelerator";
import type { Check, Finding } from "./check";
import { asRoot } from "./distribution";

/** By what guests' instructions are run. */
export const accelerator: Check = async ({ session }) => {
  const name = "accelerator";
  const verdict = await proveAccelerator(session.paths, session.signal).catch((error: unknown) => {
    if (error instanceof MayflyError && error.code === "TOOL_MISSING") return undefined; // `programs` says so
    throw error;
  });
  if (verdict === undefined) return [{ name, state: "warn", found: "can't be tried without qemu" }];
  const { accelerator: found, reason } = verdict;
  if (found === "kvm") return [{ name, state: "ok", found: `kvm: ${reason}` }];
  const said = reason.split("\n")[0] ?? "";
  return [
    {
      name: "accelerator",
      state: "warn",
      found: `tcg (emulation, about ten times slower): ${said}`,
      fix: kvmFix(reason),
    },
  ];
};

function kvmFix(reason: string): string {
  const [, command] = /: (sudo (?:usermod|apt-get) .*)/.exec(reason) ?? [];
  if (command !== undefined) return command;
  if (existsSync("/dev/kvm")) return "none from within: this host's own hypervisor has to give it working KVM";
  const flags = existsSync("/proc/cpuinfo") ? readFileSync("/proc/cpuinfo", "utf8") : "";
  if (/\bvmx\b/.test(flags)) return `${asRoot()}modprobe kvm_intel`;
  if (/\bsvm\b/.test(flags)) return `${asRoot()}modprobe kvm_amd`;
  return "turn virtualisation on in the firmware, or nested virtualisation in this host's own hypervisor";
}

const LOW_MEMORY_MIB = 512;
const LOW_DISK_MIB = 4_096; // an image, its boot artefacts, and some templates
const LEAST_DISK_MIB = 512;
const LEAST_FILES = 1_024; // qemu needs a few hundred

/** What there is of memory, of disk, and of what a process may have. */
export const capacity: Check = async ({ session }) => [memory(), await disk(session.paths.home), openFiles()];

function memory(): Finding {
  const [free, all] = [availableMemoryMiB(), hostMemoryMiB()];
  const isLow = free < LOW_MEMORY_MIB;
  const found = `${String(free)} MiB of ${String(all)} MiB available`;
  return { name: "memory", state: isLow ? "warn" : "ok", found, fix: isLow ? "mayfly ls; mayfly rm NAME" : undefined };
}

async function disk(home: string): Promise<Finding> {
  const { freeMiB, totalMiB } = await diskSpace(home);
  const found = `${gib(freeMiB)} of ${gib(totalMiB)} GiB free in ${home}`;
  if (freeMiB >= LOW_DISK_MIB) return { name: "disk space", state: "ok", found };
  const fix =
    "mayfly prune --all; podman image prune; or, once `mayfly ls` is empty, MAYFLY_HOME=/larger/disk for all calls";
  return { name: "disk space", state: freeMiB < LEAST_DISK_MIB ? "fail" : "warn", found, fix };
}

function gib(mib: number): string {
  return (mib / 1_024).toFixed(1);
}

function openFiles(): Finding {
  const [, limit = "unlimited"] = /^Max open files\s+(\S+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
  const isLow = Number(limit) < LEAST_FILES;
  const fix = isLow ? `ulimit -n ${String(LEAST_FILES)}` : undefined;
  return { name: "open files", state: isLow ? "warn" : "ok", found: `${limit} for each process`, fix };
}
