import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
import * as files from "../../../provider/host/files";
import { isLocked } from "../../../provider/host/locks";
import { openPaths, pipesOf, type Paths } from "../../../provider/host/paths";
import { MayflyError } from "../../../provider/errors";
import { Podman } from "../../../provider/host/podman";
import { identifySelf, isAlive } from "../../../provider/host/process-identity";
import { Records } from "../../../provider/host/records";
import { openPipe } from "../../../provider/host/sockets";
import { IDENTITY_FILE } from "../../../provider/machines/launcher";
import { Machines } from "../../../provider/machines/machines";
import { firstRecord, type MachineRecord } from "../../../provider/machines/record";
import { bareSpec } from "../../../provider/machines/spec";
import { failureOf } from "../../support/context";
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

test("a machine that does not boot says why, also when podman does not take it away", async () => {
  const wedged = { run: () => Promise.reject(new DOMException("aborted", "TimeoutError")) };
  const boot = new MayflyError("BOOT_FAILED", "the guest cannot boot", { evidence: "panic", remedy: "look" });
  writeFileSync(join(paths.machines, "web-1", "console.log"), "2026-11-27T12:00:00.0+00:00 stdout F all of it\n");
  const kept = join(paths.failed, "web-1.txt");
  const made = new Machines(paths, wedged as never).orRemove("web-1", () => Promise.reject(boot));
  expect(await failureOf(made)).toMatchObject({
    ...{ code: "BOOT_FAILED", evidence: `panic\nthe whole console: ${kept}` },
    message: expect.stringContaining("the machine web-1 was left behind (its removal took too long): mayfly prune"),
  });
  expect(await records.read("web-1")).toBeDefined(); // so that prune finds it
  expect(readFileSync(kept, "utf8")).toBe("all of it\n");
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
  const { pid, bootId } = identifySelf();
  for (const kind of ["agent", "power"])
    // of those who were killed while they worked with it
    symlinkSync([pid, "1", bootId, "0"].join(":"), join(paths.locks, `${kind}-web-1.lock`));
  expect(await room.list()).toEqual(new Map());
  expect(await room.unreadable()).toEqual(["web-1"]);
  await room.remove("web-1", AbortSignal.timeout(10_000));
  expect(asked).toEqual([expect.stringMatching(/^rm .* mayfly-web-1$/)]);
  expect(existsSync(join(paths.machines, "web-1"))).toBe(false);
  expect(await room.unreadable()).toEqual([]);
  expect(readdirSync(paths.locks)).toEqual([]);
});

const ACCESS = { rootKeys: ["ssh-ed25519 AAAA"], users: [] };

test("who may log in to a guest without an agent can't be changed by one, and that is said", async () => {
  await expect(machines.changeAccess("web-1", ACCESS, AbortSignal.timeout(10_000))).rejects.toMatchObject({
    ...{ code: "TOOL_FAILED", evidence: "it boots a disk of its own, in whose guest no agent of ours is" },
  });
});

test("the identity disk has the keys that the guest took last: it is rewritten while nobody else talks to the agent", async () => {
  const owner = { project: "p", stack: "s", resource: "web" };
  await records.write("web-1", { owner, phase: "ready", madeBy: identifySelf(), createdAt: 0 });
  const shared = join(paths.machines, "web-1", "shared");
  const pipes = pipesOf("agent");
  execFileSync("mkfifo", pipes, { cwd: shared });
  const [asked, answers] = [openPipe(shared, pipes[0], "read"), openPipe(shared, pipes[1], "write")];
  asked.on("data", (data: Buffer) => {
    const [, id] = /^access (\w+) /.exec(data.toString("latin1")) ?? [];
    if (id !== undefined) answers.write(`done ${id}\n`);
  });
  const identity = { hostname: "web", machineId: "0".repeat(32), mac: "52:54:00:00:00:01", environment: {} };
  const keys = { hostPrivateKey: "private", hostPublicKey: "public" };
  await machines.keepFile("web-1", IDENTITY_FILE, JSON.stringify({ identity: { ...identity, ...keys }, mounts: [] }));
  const held: boolean[] = [];
  const rewriting = jest.spyOn(files, "rewriteUntrusted").mockImplementation(async () => {
    held.push(await isLocked(paths.locks, "agent-web-1"));
  });
  try {
    await machines.changeAccess("web-1", ACCESS, AbortSignal.timeout(20_000));
    expect(held).toEqual([true]);
  } finally {
    rewriting.mockRestore();
    for (const pipe of [asked, answers]) pipe.destroy();
  }
});
