import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { openPaths, type Paths } from "../../../provider/host/paths";
import { Podman } from "../../../provider/host/podman";
import { identifySelf } from "../../../provider/host/process-identity";
import { BootTurns } from "../../../provider/machines/boot-turns";
import type { ContainerSpec } from "../../../provider/machines/container";
import type { Exit } from "../../../provider/machines/exits";
import { Launcher, PLAN_FILE, type KeptPlan } from "../../../provider/machines/launcher";
import type { SeatedPlan } from "../../../provider/machines/plan";
import { Power } from "../../../provider/machines/power";
import type { MachineRecord } from "../../../provider/machines/record";
import { Shelf } from "../../../provider/machines/shelf";
import { bareSpec } from "../../../provider/machines/spec";

// Turning a machine on and off, with a launcher that only notes what it is to start.

const ID = "web-1";
const SIZE = { cpus: 1, memoryMiB: 256, scratchMiB: undefined, accelerator: "kvm", kernelArgs: [] } as const;
const PROGRESS = {
  ...{ signal: AbortSignal.timeout(60_000), say: () => undefined },
  step: async <T>(_: string, work: () => Promise<T>) => work(),
};

let paths: Paths;
let shelf: Shelf;
let power: Power;
let launched: Partial<ContainerSpec> | undefined;

beforeEach(() => {
  paths = openPaths({ MAYFLY_HOME: mkdtempSync(join(tmpdir(), "mayfly-power-")) });
  shelf = new Shelf(paths);
  mkdirSync(shelf.shared(ID), { recursive: true });
  launched = undefined;
  const launcher: Partial<Launcher> = {
    booting: (id) => ({ id, folder: shelf.shared(id), log: shelf.consoleLog(id) }),
    startQemu: (container) => {
      launched = container;
      return Promise.reject(new Error("no more is needed"));
    },
  };
  const podman = { run: () => Promise.resolve("") };
  power = new Power(shelf, launcher as Launcher, podman as unknown as Podman, new BootTurns());
});
afterEach(() => {
  rmSync(paths.home, { recursive: true });
});

/** Puts a machine that boots from a disk, and is off, on record. */
async function keep(plan: Partial<KeptPlan> = {}, record: Partial<MachineRecord> = {}): Promise<void> {
  const owner = { project: "", stack: "", resource: "web" };
  await shelf.records.write(ID, {
    ...{ owner, phase: "committed", madeBy: identifySelf(), createdAt: 0, agentless: true, stoppedAt: 1 },
    ...record,
  });
  const boot = { version: "1", folder: shelf.folder(ID), file: "disk", bytes: 1, format: "raw", firmware: "bios" };
  const disk = { uefiCode: undefined, hasIgnition: false, mac: "52:54:00:00:00:01", machineId: "0".repeat(32) };
  writeFileSync(join(boot.folder, boot.file), "");
  const kept = { spec: bareSpec(SIZE), boot, disk, bootTimeout: 60, sshPort: 40_000, ...plan };
  await shelf.keepFile(ID, PLAN_FILE, JSON.stringify(kept));
}

const EXIT: Exit = { address: "192.0.2.7", port: 443, name: "example.org" };

test.each<[string, Partial<KeptPlan>]>([
  ["as its plan has them", { exits: [EXIT] }],
  [
    "of a former version, whose plan has none, as they were declared",
    { spec: { ...bareSpec(SIZE), isolated: true, allow: [{ host: "192.0.2.7", port: 443 }] } },
  ],
])("a machine of a disk that starts again reaches what it may: %s", async (_, plan) => {
  await keep(plan);
  await expect(power.on(ID, undefined, PROGRESS)).rejects.toThrow("no more is needed");
  expect(launched?.exits).toEqual([expect.objectContaining({ address: "192.0.2.7", port: 443 })]);
});

test("what a machine may reach is kept with its plan, whatever it boots from", async () => {
  await keep();
  const launcher = new Launcher(shelf, new Podman(paths));
  const plan = { spec: bareSpec(SIZE), boot: { version: "1" }, bootTimeout: 60, seats: [], exits: [EXIT] };
  await launcher.started(ID, plan as unknown as SeatedPlan, { qemu: identifySelf(), sshPort: 40_000, ports: [] });
  const kept = JSON.parse(readFileSync(shelf.file(ID, PLAN_FILE), "utf8")) as KeptPlan;
  expect(kept.exits).toEqual([EXIT]);
});
