import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
import { withLock } from "../../../provider/host/locks";
import { openPaths, type Paths } from "../../../provider/host/paths";
import { Podman } from "../../../provider/host/podman";
import { identifyProcess, identifySelf, type ProcessIdentity } from "../../../provider/host/process-identity";
import { agentLock } from "../../../provider/machines/agent-turn";
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
const endings: (() => void)[] = [];
let asked: string[];
/** What the launcher starts; absent: nothing. */
let qemu: ProcessIdentity | undefined;
let launched: Partial<ContainerSpec> | undefined;

beforeEach(() => {
  paths = openPaths({ MAYFLY_HOME: mkdtempSync(join(tmpdir(), "mayfly-power-")) });
  shelf = new Shelf(paths);
  mkdirSync(shelf.shared(ID), { recursive: true });
  [launched, qemu] = [undefined, undefined];
  const launcher: Partial<Launcher> = {
    booting: (id) => ({ id, folder: shelf.shared(id), log: shelf.consoleLog(id), qemu: launched && qemu }),
    startQemu: (container) => {
      launched = container;
      if (qemu === undefined) return Promise.reject(new Error("no more is needed"));
      return Promise.resolve({ qemu, sshPort: 40_000, ports: [] });
    },
  };
  asked = [];
  const podman = {
    run: ([verb = "", noun = ""]: readonly string[]) => Promise.resolve(asked.push(`${verb} ${noun}`) ? "" : ""),
  };
  power = new Power(shelf, launcher as Launcher, podman as unknown as Podman, new BootTurns());
});
afterEach(() => {
  jest.restoreAllMocks();
  for (const end of endings.splice(0)) end();
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

test("a boot may take as long as was said when the machine was made; a former version has not written that down", async () => {
  await keep({ bootTimeout: 1_200 });
  expect(await power.bootTimeout(ID)).toBe(1_200);
  rmSync(shelf.file(ID, PLAN_FILE));
  expect(await power.bootTimeout(ID)).toBe(300);
});

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

/** What stands in for qemu: a process that ends at `endsAt`, and a control socket that notes what it is told. */
async function runQemu(endsAt: string, onCommand: (name: string) => void): Promise<void> {
  const child = spawn("sleep", ["600"], { stdio: "ignore" });
  await once(child, "spawn");
  const server = createServer((socket) => {
    socket.on("error", () => undefined); // who has heard enough hangs up
    socket.write('{"QMP": {}}\n');
    socket.setEncoding("utf8").on("data", (text: string) => {
      const { execute, id } = JSON.parse(text) as { execute: string; id: number };
      socket.write(`${JSON.stringify({ return: {}, id })}\n`, () => {
        onCommand(execute);
        if (execute === endsAt) setTimeout(() => child.kill("SIGKILL"), 50);
      });
    });
  }).listen(join(shelf.shared(ID), "qmp.sock"));
  await once(server, "listening");
  endings.push(() => {
    child.kill("SIGKILL");
    server.close();
  });
  const running = identifyProcess(child.pid ?? 0);
  await keep({}, { ...(running && { qemu: running }) });
}

test("a guest that does not shut down in its time: qemu itself is told to end, whose own time begins then", async () => {
  const [told, timers]: [string[], AbortController[]] = [[], []];
  await runQemu("quit", (name) => {
    told.push(name);
    if (name === "system_powerdown") for (const timer of timers) timer.abort(); // a minute and a half later
  });
  jest.spyOn(AbortSignal, "timeout").mockImplementation(() => {
    const timer = new AbortController();
    timers.push(timer);
    return timer.signal;
  });
  expect(await power.off(ID, 0, PROGRESS.signal)).toBe(false);
  expect(told).toEqual(["qmp_capabilities", "system_powerdown", "quit"]);
});

test("a step of the host's clock does not cut a guest's time short", async () => {
  const told: string[] = [];
  await runQemu("system_powerdown", (name) => told.push(name));
  const now = Date.now();
  let looks = 0;
  jest.spyOn(Date, "now").mockImplementation(() => now + 3_600_000 * looks++);
  expect(await power.off(ID, 60, PROGRESS.signal)).toBe(true);
  expect(told).not.toContain("quit");
});

/** What stands in for qemu, of a machine that nobody has stopped yet. */
async function runUnstopped(onCommand: (name: string) => void): Promise<void> {
  await runQemu("quit", onCommand);
  const { stoppedAt: _, ...record } = (await shelf.records.read(ID)) ?? ({} as MachineRecord);
  await shelf.records.write(ID, record);
}

test("a guest that was told to shut down has been stopped, whoever waits for it", async () => {
  const interrupted = new AbortController();
  await runUnstopped((name) => {
    if (name === "system_powerdown") interrupted.abort();
  });
  await expect(power.off(ID, 60, interrupted.signal)).rejects.toThrow("aborted");
  expect(await shelf.records.read(ID)).toHaveProperty("stoppedAt");
});

test("one that was never told has not", async () => {
  const told: string[] = [];
  await runUnstopped((name) => told.push(name));
  await withLock(paths.locks, agentLock(ID), PROGRESS.signal, async () => {
    await expect(power.off(ID, 60, AbortSignal.abort())).rejects.toThrow("aborted");
  });
  expect(told).toEqual([]);
  expect(await shelf.records.read(ID)).not.toHaveProperty("stoppedAt");
});

test("a machine whose address another one has by now does not start, and stays as it was", async () => {
  const seat = { network: "net-1", address: "10.80.0.5", prefix: 24, mac: "02:4d:0a:50:00:05", names: ["web"] };
  await keep({}, { seats: [seat] });
  const before = await shelf.records.read(ID);
  const owner = { project: "shop", stack: "dev", resource: "db" };
  const self = identifySelf();
  const other = { owner, phase: "committed", madeBy: self, qemu: self, createdAt: 0, seats: [seat] } as const;
  await shelf.records.write("db-1", other);
  await expect(power.on(ID, undefined, PROGRESS)).rejects.toMatchObject({
    ...{ code: "ADDRESS_TAKEN", evidence: 'VM "db" of shop/dev has it' },
    remedy: "end that VM, or make this one anew: mayfly rm web",
  });
  expect([launched, await shelf.records.read(ID)]).toEqual([undefined, before]);
  await shelf.records.write("db-1", { ...other, seats: [{ ...seat, network: "net-2" }] });
  await expect(power.on(ID, undefined, PROGRESS)).rejects.toThrow("no more is needed");
});

test("a machine that had crashed and boots through its kernel now runs from no template any more", async () => {
  await keep({}, { template: "k" });
  await expect(power.on(ID, undefined, PROGRESS)).rejects.toThrow("no more is needed");
  expect(await shelf.records.read(ID)).not.toHaveProperty("template");
});

test("whether the qemu of a disk lives is seen by its process, podman is not asked at each try to reach it", async () => {
  qemu = identifySelf();
  await keep({ bootTimeout: 0.2 });
  await expect(power.on(ID, undefined, PROGRESS)).rejects.toMatchObject({ code: "TIMEOUT" });
  expect(asked.filter((one) => one.startsWith("container"))).toEqual([]);
});
