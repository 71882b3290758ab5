import type * as Files from "node:fs";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
import { ARCHITECTURES, hostArchitecture } from "../../../provider/architectures";
import { MayflyError } from "../../../provider/errors";
import * as files from "../../../provider/host/files";
import { withLock } from "../../../provider/host/locks";
import { findProgram } from "../../../provider/host/podman";
import { openPaths, type Paths } from "../../../provider/host/paths";
import { hostBootId } from "../../../provider/host/process-identity";
import * as running from "../../../provider/host/run";
import { chooseAccelerator, probe, proveAccelerator } from "../../../provider/machines/accelerator";
import { optionPath } from "../../../provider/machines/qemu-command";
import { failureOf } from "../../support/context";

const NATIVE = hostArchitecture();

let paths: Paths;
let device: string;
let said: string[];
let signal: AbortSignal;
beforeEach(() => {
  paths = openPaths({ MAYFLY_HOME: mkdtempSync(join(tmpdir(), "mayfly-accelerator-")) });
  device = join(paths.home, "kvm"); // a file that this user may open
  writeFileSync(device, "");
  [said, signal] = [[], AbortSignal.timeout(60_000)];
});
afterEach(() => {
  jest.restoreAllMocks();
  rmSync(paths.home, { recursive: true });
});

const progress = () => ({ signal, say: (text: string) => said.push(text) });
const choose = async (wanted: "auto" | "kvm" | "tcg" = "auto") =>
  chooseAccelerator(paths, wanted, NATIVE, progress(), device);

/** Has each accelerator end the proof after that many seconds, on a clock of its own; `undefined`: it fails it. */
function takes(seconds: { readonly tcg: number; readonly kvm: number | undefined }) {
  let now = 0;
  jest.spyOn(performance, "now").mockImplementation(() => now);
  return jest.spyOn(running, "run").mockImplementation((_, args) => {
    const took = seconds[args.includes("kvm") ? "kvm" : "tcg"];
    if (took === undefined)
      return Promise.reject(new MayflyError("TOOL_FAILED", "qemu failed", { evidence: "stuck", remedy: "" }));
    now += took * 1_000;
    return Promise.resolve("");
  });
}

/** What a former proof has left on file. */
const onFile = () => join(paths.verdicts, `accelerator${device.replaceAll("/", "-")}.json`);

for (const { name, qemu, qemuPackage, emulatedCpu } of Object.values(ARCHITECTURES)) {
  const canTry = findProgram(qemu) === undefined ? test.skip : test;
  canTry(`the proof for ${name} comes to its end under emulation [host lacks: ${qemuPackage}]`, async () => {
    const seconds = await probe(name, ["-accel", "tcg", "-cpu", emulatedCpu], 60_000, AbortSignal.timeout(60_000));
    expect(typeof seconds === "number" ? "ended" : seconds).toBe("ended");
  });
}

test("where KVM ends the proof sooner it is chosen, and nothing is said", async () => {
  takes({ tcg: 0.5, kvm: 0.02 });
  expect(await choose()).toBe("kvm");
  expect(await choose("kvm")).toBe("kvm");
  expect(said).toEqual([]);
  expect(JSON.parse(readFileSync(onFile(), "utf8"))).toMatchObject({ accelerator: "kvm", kvmSeconds: 0.02 });
});

test("where there is a KVM that fails the proof, guests are emulated, which is said once", async () => {
  takes({ tcg: 0.5, kvm: undefined });
  expect([await choose(), await choose(), await choose("tcg")]).toEqual(["tcg", "tcg", "tcg"]);
  const why = "KVM failed the probe, which emulation ends in 0.50 s: stuck";
  expect(said).toEqual([`VMs are emulated, about ten times slower than with KVM: ${why}`]);
  expect(await failureOf(choose("kvm"))).toMatchObject({ code: "KVM_UNUSABLE", evidence: why });
});

test("where a command would let guests use KVM, it is in a warning", async () => {
  jest.spyOn(jest.requireActual<typeof Files>("node:fs"), "accessSync").mockImplementation(() => {
    throw new Error("EACCES");
  });
  expect(await choose()).toBe("tcg");
  expect(said).toEqual([
    expect.stringMatching(/^warning: VMs are emulated, .*: no right to use .*: sudo usermod --append --groups kvm/),
  ]);
});

test("where there is no KVM, nothing is said of it", async () => {
  rmSync(device);
  expect([await choose(), said]).toEqual(["tcg", []]);
});

test("several who ask before it is known wait for one proof", async () => {
  const run = takes({ tcg: 0.5, kvm: 0.02 });
  expect(await Promise.all([choose(), choose(), choose()])).toEqual(["kvm", "kvm", "kvm"]);
  rmSync(onFile());
  expect(await choose()).toBe("kvm"); // this process remembers
  expect(run).toHaveBeenCalledTimes(2);
});

test("what another process has found out meanwhile is not proved again", async () => {
  const run = takes({ tcg: 0.5, kvm: 0.02 });
  const found = { accelerator: "kvm", reason: "r", bootId: hostBootId(), tcgSeconds: 9, kvmSeconds: 1 };
  let asked: Promise<unknown> = Promise.resolve();
  await withLock(paths.locks, "accelerator-verdict", signal, async () => {
    const reading = jest.spyOn(files, "readFileIfExists");
    asked = proveAccelerator(paths, signal, device);
    await reading.mock.results[0]?.value; // it has seen that nothing is known
    writeFileSync(onFile(), JSON.stringify(found));
  });
  expect(await asked).toEqual(found);
  expect(run).not.toHaveBeenCalled();
});

test("a verdict of an earlier boot of the host is not used", async () => {
  takes({ tcg: 0.5, kvm: 0.02 });
  const former = { accelerator: "tcg", reason: "r", bootId: "of another boot", tcgSeconds: 1 };
  writeFileSync(onFile(), JSON.stringify(former));
  expect(await choose()).toBe("kvm");
});

test("one that could not be had is asked for again", async () => {
  const run = jest.spyOn(running, "run").mockRejectedValue(new Error("no qemu"));
  await expect(choose()).rejects.toThrow("no qemu");
  run.mockRestore();
  takes({ tcg: 0.5, kvm: 0.02 });
  expect(await choose()).toBe("kvm");
});

test("a comma in a path begins no option of qemu's", () => {
  expect(optionPath("/a,b/c,d")).toBe("/a,,b/c,,d");
});

test("a guest for another processor is emulated, whatever KVM can do here", async () => {
  const other = NATIVE === "amd64" ? "arm64" : "amd64";
  expect(await chooseAccelerator(paths, "auto", other, progress())).toBe("tcg");
  const error = await failureOf(chooseAccelerator(paths, "kvm", other, progress()));
  expect(error).toMatchObject({
    code: "KVM_UNUSABLE",
    evidence: expect.stringContaining(`the image is for ${other}`),
  });
  expect(said).toEqual([]);
});
