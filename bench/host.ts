import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, loadavg, totalmem } from "node:os";

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

/** Whether other work disturbs what is measured: processes that wanted a CPU in the last minute, beside us. */
export function otherLoad(): number {
  return loadavg()[0] ?? 0;
}

function release(): string {
  return /^PRETTY_NAME="?([^"\n]+)/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "Linux";
}

function output(file: string, ...args: string[]): string {
  return execFileSync(file, args, { encoding: "utf8" }).split("\n")[0] ?? "";
}
