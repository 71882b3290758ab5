import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

/** The machine on which a figure was measured, in a line: without it a figure means nothing. */
export function describeHost(accelerator: string): string {
  const [model = "unknown CPU"] = cpus().map((cpu) => cpu.model.trim());
  const gib = Math.round(totalmem() / 1_073_741_824);
  const parts = [
    `${String(cpus().length)} cores (${model}), ${String(gib)} GiB, ${accelerator === "tcg" ? "no usable KVM (TCG)" : accelerator}`,
    `${release()}, kernel ${output("uname", "-r")}`,
    output("qemu-system-x86_64", "--version").replace(/^QEMU emulator version (\S+).*/, "QEMU $1"),
    output("podman", "--version").replace(/ version/, ""),
    `Node ${process.version}`,
  ];
  return parts.join("; ");
}

const LOOK_MS = 5_000;

/**
 * How many of the cores are busy while we do nothing: with other work of this host, or of another one on the same hardware.
 * Not the load average, which is of the last minute and so has our own set-up in it.
 */
export async function otherLoad(): Promise<number> {
  const [before, begun] = [busySeconds(stat()), performance.now()];
  await sleep(LOOK_MS);
  return (busySeconds(stat()) - before) / ((performance.now() - begun) / 1_000);
}

/** What all cores together have been busy for, by the text of proc(5) `/proc/stat`. */
export function busySeconds(text: string): number {
  const fields = /^cpu +(.*)/.exec(text)?.[1]?.split(" ").map(Number) ?? [];
  const [user = NaN, nice = NaN, system = NaN, , , irq = 0, softirq = 0, steal = 0] = fields; // without idle and iowait
  return (user + nice + system + irq + softirq + steal) / TICKS;
}

/** What the kernel counts CPU time in, of a second: USER_HZ, which is 100 on every architecture that Linux has today. */
export const TICKS = 100;

function stat(): string {
  return readFileSync("/proc/stat", "utf8");
}

function release(): string {
  return /^PRETTY_NAME="?([^"\n]+)/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "Linux";
}

function output(file: string, ...args: string[]): string {
  return execFileSync(file, args, { encoding: "utf8" }).split("\n")[0] ?? "";
}
