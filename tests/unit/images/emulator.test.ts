import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { ARCHITECTURES, hostArchitecture } from "../../../provider/architectures";
import { findProgram, type Podman } from "../../../provider/host/podman";
import { run, type RunOptions } from "../../../provider/host/run";
import { findEmulator, runEmulated } from "../../../provider/images/emulator";
import { failureOf } from "../../support/context";

const other = ARCHITECTURES[hostArchitecture() === "amd64" ? "arm64" : "amd64"];
/** A program for the other processor, which says how it is to be called. */
const PROGRAM = join(__dirname, "..", "..", "..", "provider", "guest", "helper", `helper-${other.kernelName}`);
const scripts = {
  script: async (text: string, args: readonly string[], options: RunOptions) =>
    run("sh", ["-euc", text, "mayfly", ...args], options),
} as unknown as Podman;
const emulated = async (command: readonly string[], environment = {}) =>
  runEmulated(scripts, other, command, { signal: AbortSignal.timeout(60_000), environment });
const canTry =
  process.getuid?.() === 0 && findEmulator(other) !== undefined && findProgram("arch-test") !== undefined
    ? test
    : test.skip;

canTry(
  "a program for another processor starts another one, though this host's kernel knows no emulator [host lacks: root, qemu-user-static or arch-test]",
  async () => {
    const known = () => readdirSync("/proc/sys/fs/binfmt_misc");
    const before = known();
    const owner = await emulated(["sh", "-c", `"$0" 2>&1 || stat --format "%u %n" /etc/shadow /proc/self`, PROGRAM]);
    expect(owner).toMatch(/^helper: usage.*\n0 \/etc\/shadow\n0 \/proc\/self$/);
    expect(known()).toEqual(before);
  },
);

canTry("a program's own failure is told as such [host lacks: root, qemu-user-static or arch-test]", async () => {
  expect(await failureOf(emulated(["sh", "-c", "echo no such package >&2; exit 3"]))).toMatchObject({
    ...{ code: "TOOL_FAILED", evidence: "no such package" },
  });
});

canTry(
  "where the kernel refuses, it is said what to install [host lacks: root, qemu-user-static or arch-test]",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "mayfly-emulator-"));
    try {
      for (const name of ["mount", "arch-test"])
        writeFileSync(join(folder, name), "#!/bin/sh\nexit 1\n", { mode: 0o755 });
      const error = await failureOf(emulated(["true"], { PATH: `${folder}:${process.env["PATH"] ?? ""}` }));
      expect(error).toMatchObject({ code: "TOOL_MISSING", evidence: "mayfly: no emulator: a namespace can have none" });
      expect(error.message).toContain("sudo apt-get install qemu-user-static binfmt-support ");
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);
