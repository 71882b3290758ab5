import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { openPaths, type Paths } from "../../../provider/host/paths";
import { Podman } from "../../../provider/host/podman";
import { identifySelf, isAlive } from "../../../provider/host/process-identity";
import { Records } from "../../../provider/host/records";
import { Machines } from "../../../provider/machines/machines";
import { firstRecord, type MachineRecord } from "../../../provider/machines/record";
import { bareSpec } from "../../../provider/machines/spec";
import { eventually } from "../../support/eventually";

let paths: Paths;
let records: Records<MachineRecord>;
let machines: Machines;

beforeEach(async () => {
  paths = openPaths({ MAYFLY_HOME: mkdtempSync(join(tmpdir(), "mayfly-unit-")) });
  records = new Records<MachineRecord>(join(paths.records, "machines"));
  machines = new Machines(paths, new Podman(paths));
  const owner = { project: "p", stack: "s", resource: "web" };
  const self = identifySelf(); // stands in for qemu
  await records.write("web-1", { owner, phase: "starting", madeBy: self, createdAt: 0, agentless: true, qemu: self });
  mkdirSync(join(paths.machines, "web-1", "shared"), { recursive: true });
});
afterEach(() => {
  rmSync(paths.home, { recursive: true });
});

test("a machine is alive as long as its qemu runs and its folder is there", async () => {
  expect(await machines.isAlive("web-1")).toBe(true);
  expect(await machines.isAlive("web-2")).toBe(false);
  rmSync(join(paths.machines, "web-1"), { recursive: true });
  expect(await machines.isAlive("web-1")).toBe(false);
});

test("a machine that is ready is on record as such; one that has run a command says so of its template", async () => {
  const template = { key: "k", folder: join(paths.templates, "k"), state: "digest", runsCommands: false };
  mkdirSync(template.folder);
  await machines.ready("web-1", template);
  expect(await records.read("web-1")).toMatchObject({ phase: "ready" });
  expect(readFileSync(join(template.folder, "runs-commands"), "utf8")).toBe("digest");
  rmSync(template.folder, { recursive: true }); // thrown out meanwhile
  await machines.ready("web-1", template);
});

test("a machine's lifetime is on record once it has begun, and not when it is only asked for", async () => {
  const spec = bareSpec({
    cpus: 1,
    memoryMiB: 256,
    scratchMiB: undefined,
    accelerator: "tcg",
    kernelArgs: [],
  } as never);
  const asked = { owner: { project: "p", stack: "s", resource: "web" }, spec, boot: { version: "1" }, lifetime: 60 };
  expect(firstRecord(asked as never, identifySelf(), [])).not.toHaveProperty("expiresAt");
  const before = Math.floor(Date.now() / 1_000);
  await machines.changeLifetime("web-1", 3_600);
  const begun = await records.read("web-1");
  expect(begun?.expiresAt).toBeGreaterThanOrEqual(before + 3_600);
  expect(begun?.expiry && isAlive(begun.expiry)).toBe(true);
  await machines.changeLifetime("web-1", undefined);
  expect(await records.read("web-1")).not.toHaveProperty("expiresAt");
  await eventually("its process has ended", 20, () => begun?.expiry !== undefined && !isAlive(begun.expiry));
});

test("a machine whose record can't be read is removed like others, with its containers and its folder", async () => {
  const asked: string[] = [];
  const podman = { run: (args: readonly string[]) => Promise.resolve(asked.push(args.join(" ")) ? "" : "") };
  const room = new Machines(paths, podman as unknown as Podman);
  writeFileSync(join(paths.records, "machines", "web-1.json"), '{ "owner');
  expect(await room.list()).toEqual(new Map());
  expect(await room.unreadable()).toEqual(["web-1"]);
  await room.remove("web-1", AbortSignal.timeout(10_000));
  expect(asked).toEqual([expect.stringMatching(/^rm .* mayfly-web-1$/)]);
  expect(existsSync(join(paths.machines, "web-1"))).toBe(false);
  expect(await room.unreadable()).toEqual([]);
});
