import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { ARCHITECTURES, hostArchitecture } from "../../../provider/architectures";
import { findProgram } from "../../../provider/host/podman";
import { openPaths } from "../../../provider/host/paths";
import { chooseAccelerator, probe } from "../../../provider/machines/accelerator";
import { failureOf } from "../../support/context";

for (const { name, qemu, qemuPackage, emulatedCpu } of Object.values(ARCHITECTURES)) {
  const canTry = findProgram(qemu) === undefined ? test.skip : test;
  canTry(`the proof for ${name} comes to its end under emulation [host lacks: ${qemuPackage}]`, async () => {
    const seconds = await probe(name, ["-accel", "tcg", "-cpu", emulatedCpu], 60_000, AbortSignal.timeout(60_000));
    expect(typeof seconds === "number" ? "ended" : seconds).toBe("ended");
  });
}

test("a guest for another processor is emulated, whatever KVM can do here", async () => {
  const home = mkdtempSync(join(tmpdir(), "mayfly-accelerator-"));
  try {
    const paths = openPaths({ MAYFLY_HOME: home });
    const other = hostArchitecture() === "amd64" ? "arm64" : "amd64";
    const signal = AbortSignal.timeout(60_000);
    expect(await chooseAccelerator(paths, "auto", other, signal)).toBe("tcg");
    const error = await failureOf(chooseAccelerator(paths, "kvm", other, signal));
    expect(error).toMatchObject({
      code: "KVM_UNUSABLE",
      evidence: expect.stringContaining(`the image is for ${other}`),
    });
  } finally {
    rmSync(home, { recursive: true });
  }
});
