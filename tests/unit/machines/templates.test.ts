import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import type * as FilePromises from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { ARCHITECTURES } from "../../../provider/architectures";
import { withLock } from "../../../provider/host/locks";
import { openPaths, type Paths } from "../../../provider/host/paths";
import { hostProcessor } from "../../../provider/host/processor";
import { TEMPLATE_FILES } from "../../../provider/machines/qemu-command";
import type { MachineSpec } from "../../../provider/machines/spec";
import { settle } from "../../../provider/machines/template-files";
import { shapeOf, Templates } from "../../../provider/machines/templates";
import { failureOf } from "../../support/context";

const files = jest.requireActual<typeof FilePromises>("node:fs/promises");

let folder: string;
let paths: Paths;
let made: number;
let state: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mayfly templates "));
  paths = openPaths({ MAYFLY_HOME: folder });
  made = 0;
  state = "state";
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const spec: MachineSpec = {
  ...{
    cpus: 2,
    memoryMiB: 512,
    scratchMiB: undefined,
    disks: [],
    swapMiB: undefined,
    labels: {},
    mounts: [],
    ports: [],
    isolated: false,
    allow: [],
    kernelArgs: [],
  },
  segments: [],
  accelerator: "tcg",
};
const boot = { version: "image-1", kernel: "/artefacts/kernel" };
const shape = shapeOf(spec, boot);
const key = Templates.key(shape);
const nobody = () => Promise.resolve(new Set<string>());
const make = (draft: string): Promise<void> => {
  made += 1;
  writeFileSync(join(draft, TEMPLATE_FILES.memory), "memory");
  writeFileSync(join(draft, TEMPLATE_FILES.state), state);
  return Promise.resolve();
};
const ensure = async () => new Templates(paths).ensure(shape, AbortSignal.timeout(20_000), make, nobody);

test("another emulated processor is another shape; with KVM it is the host's", () => {
  expect(shape).toMatchObject({ accelerator: "tcg", cpu: ARCHITECTURES.amd64.emulatedCpu });
  expect(shapeOf({ ...spec, accelerator: "kvm" }, boot)).toMatchObject({ cpu: `host ${hostProcessor()}` });
});

test("a template is made once, also when many want it at a time", async () => {
  const templates = await Promise.all([ensure(), ensure(), ensure()]);
  expect(new Set(templates.map((template) => template.folder)).size).toBe(1);
  expect(made).toBe(1);
  await ensure();
  expect(made).toBe(1);
});

test.each(["memory", "state"] as const)("one whose %s was written to is not trusted, and made anew", async (name) => {
  const template = await ensure();
  writeFileSync(join(template.folder, TEMPLATE_FILES[name]), name === "memory" ? "MEMORY" : "STATE");
  expect(await new Templates(paths).find(key)).toBeUndefined();
  await ensure();
  expect(made).toBe(2);
});

test.each(["memory", "state"] as const)("one whose %s is a link, of the qemu that wrote it, is none", async (name) => {
  writeFileSync(join(folder, "host"), "the host's");
  const linked = async (draft: string) => {
    await make(draft);
    rmSync(join(draft, TEMPLATE_FILES[name]));
    symlinkSync(join(folder, "host"), join(draft, TEMPLATE_FILES[name]));
  };
  const ensured = new Templates(paths).ensure(shape, AbortSignal.timeout(20_000), linked, nobody);
  expect((await failureOf(ensured)).message).toMatch(/ELOOP|is no file/);
  expect(readdirSync(paths.templates)).toEqual([]);
});

test("what it holds is for this user only, as it is made; one that others could read is not trusted", async () => {
  const { folder: place } = await ensure(); // writes to the memory as qemu does: to the file that is there
  expect(statSync(join(place, TEMPLATE_FILES.memory)).mode & 0o777).toBe(0o600);
  chmodSync(join(place, TEMPLATE_FILES.memory), 0o644);
  const record = join(place, "template.json");
  const { ino, size, ctimeNs } = statSync(join(place, TEMPLATE_FILES.memory), { bigint: true });
  const memory = { inode: String(ino), size: String(size), changed: String(ctimeNs) };
  writeFileSync(record, JSON.stringify({ ...(JSON.parse(readFileSync(record, "utf8")) as object), memory }));
  expect(await new Templates(paths).find(key)).toBeUndefined();
});

test("that commands run on its machines is known of this one, not of the next that is made", async () => {
  const templates = new Templates(paths);
  const first = await ensure();
  expect(first.runsCommands).toBe(false);
  await templates.noteRunsCommands(first);
  expect((await ensure()).runsCommands).toBe(true);
  await templates.remove(key);
  await templates.noteRunsCommands(first); // of a machine that started before
  state = "another state";
  const second = await ensure();
  expect(second.runsCommands).toBe(false);
  await templates.noteRunsCommands(first);
  expect((await ensure()).runsCommands).toBe(false);
  await templates.noteRunsCommands(second);
  expect((await ensure()).runsCommands).toBe(true);
  expect((await templates.list()).map((listed) => listed.key)).toEqual([key]);
});

test("one that is not whole is not trusted", async () => {
  const template = await ensure();
  rmSync(join(template.folder, TEMPLATE_FILES.state));
  expect(await new Templates(paths).find(key)).toBeUndefined();
});

test("a maker that fails, or was killed, leaves no template", async () => {
  const broken = () => Promise.reject(new Error("the guest died"));
  const templates = new Templates(paths);
  await expect(templates.ensure(shape, AbortSignal.timeout(20_000), broken, nobody)).rejects.toThrow("the guest died");
  expect(readdirSync(paths.templates)).toEqual([]);
  mkdirSync(join(paths.templates, `${key}.draft`)); // as a kill would leave it
  writeFileSync(join(paths.templates, `${key}.draft`, TEMPLATE_FILES.memory), "half");
  await ensure();
  expect(readdirSync(paths.templates)).toEqual([key]);
});

test("when there is too much, the least recently used goes, but none that is in use", async () => {
  const templates = new Templates(paths, 0);
  for (const [age, name] of [
    [30, "old"],
    [20, "older-in-use"],
    [10, "young"],
  ] as const) {
    mkdirSync(join(paths.templates, name));
    for (const file of [TEMPLATE_FILES.memory, "template.json"]) writeFileSync(join(paths.templates, name, file), "x");
    const used = Date.now() / 1_000 - age;
    utimesSync(join(paths.templates, name, "template.json"), used, used);
  }
  const inUse = () => Promise.resolve(new Set(["older-in-use"]));
  await templates.ensure(shape, AbortSignal.timeout(20_000), make, inUse);
  expect(readdirSync(paths.templates).sort()).toEqual([key, "older-in-use"].sort());
});

describe("a template with a scratch disk", () => {
  const withScratch = async (draft: string) => {
    await make(draft);
    writeFileSync(join(draft, TEMPLATE_FILES.scratch), "disk", { mode: 0o600 });
  };
  const ensured = () => new Templates(paths).ensure(shape, AbortSignal.timeout(20_000), withScratch, nobody);
  const trusted = async () => (await new Templates(paths).find(key)) !== undefined;

  test("is trusted as long as that is as it was", async () => {
    const template = await ensured();
    expect(await trusted()).toBe(true);
    writeFileSync(join(template.folder, TEMPLATE_FILES.scratch), "DISK", { mode: 0o600 });
    expect(await trusted()).toBe(false);
  });

  test("and a record of a former version, which does not know it, is not", async () => {
    const record = join((await ensured()).folder, "template.json");
    const { scratch: _, ...former } = JSON.parse(readFileSync(record, "utf8")) as Record<string, unknown>;
    writeFileSync(record, JSON.stringify(former));
    expect(await trusted()).toBe(false);
  });

  test("is good for another boot of the host once all of it is on the disk", async () => {
    const template = await ensured();
    const synced: string[] = [];
    const { open } = files;
    jest.spyOn(files, "open").mockImplementation(async (path, flags, mode) => {
      synced.push(basename(String(path)));
      return open(path, flags, mode);
    });
    await settle(template.folder).finally(() => jest.restoreAllMocks());
    expect(synced).toEqual(expect.arrayContaining(Object.values(TEMPLATE_FILES)));
    expect(readdirSync(template.folder)).toContain("on-disk");
  });
});

test("what a killed maker has left is told of and goes, what is being made neither goes nor counts", async () => {
  const templates = new Templates(paths);
  const half = (name: string) => {
    mkdirSync(join(paths.templates, `${name}.draft`));
    writeFileSync(join(paths.templates, `${name}.draft`, TEMPLATE_FILES.memory), "half");
  };
  half("dead");
  half("under-way");
  const signal = AbortSignal.timeout(20_000);
  await withLock(paths.locks, "template-under-way", signal, async () => {
    expect(await templates.killed()).toEqual(["dead"]);
    await templates.removeKilled("under-way");
    expect(readdirSync(paths.templates).sort()).toEqual(["dead.draft", "under-way.draft"]);
    await templates.ensure(shape, signal, make, nobody);
    expect(readdirSync(paths.templates).sort()).toEqual([key, "under-way.draft"].sort());
  });
  await templates.removeKilled("under-way");
  expect(readdirSync(paths.templates)).toEqual([key]);
});

test("what is being made counts for nothing where room is made", async () => {
  mkdirSync(join(paths.templates, "under-way.draft"));
  writeFileSync(join(paths.templates, "under-way.draft", TEMPLATE_FILES.memory), "x".repeat(65_536));
  await withLock(paths.locks, "template-under-way", AbortSignal.timeout(20_000), async () => {
    await ensure();
    const other = shapeOf({ ...spec, cpus: 1 }, boot);
    await new Templates(paths, 32_768).ensure(other, AbortSignal.timeout(20_000), make, nobody);
    expect(readdirSync(paths.templates).sort()).toEqual([key, Templates.key(other), "under-way.draft"].sort());
  });
});

test.each([
  { cpus: 4 },
  { memoryMiB: 1_024 },
  { scratchMiB: 100 },
  { kernelArgs: ["quiet"] },
  { accelerator: "kvm" as const },
])("a machine with %j is of another shape", (change) => {
  expect(Templates.key(shapeOf({ ...spec, ...change }, boot))).not.toBe(key);
});

test("so is one whose kernel machines can share", () => {
  expect(Templates.key(shapeOf(spec, { ...boot, pvhKernel: "/artefacts/kernel-pvh" }))).not.toBe(key);
});

test("ports, a closed network and mounts come after the restore: they do not change the shape", () => {
  const port = { guest: 80, host: 0, hostAddress: "127.0.0.1", protocol: "tcp" } as const;
  const mount = { source: "/a", target: "/b", readOnly: true, ownerId: 0 };
  const other = { ...spec, ports: [port], mounts: [mount], isolated: true };
  expect(Templates.key(shapeOf(other, boot))).toBe(key);
});

test("a shape that no template can be made of is remembered until the host's next boot", async () => {
  const templates = new Templates(paths);
  expect(await templates.refusal(key)).toBeUndefined();
  await templates.refuse(key, "its init is not systemd");
  expect(await new Templates(paths).refusal(key)).toBe("its init is not systemd");
  writeFileSync(join(paths.templates, `${key}.unfit.json`), JSON.stringify({ reason: "old", bootId: "another boot" }));
  expect(await templates.refusal(key)).toBeUndefined();
});

test("a note that holds no more is swept away, one that holds is not", async () => {
  const templates = new Templates(paths);
  await templates.refuse(key, "its init is not systemd");
  writeFileSync(join(paths.templates, "old.unfit.json"), JSON.stringify({ reason: "old", bootId: "another boot" }));
  await templates.removeOldRefusals();
  expect(readdirSync(paths.templates)).toEqual([`${key}.unfit.json`]);
});

test("a guest that only took too long, as on a busy host, may try again after a quarter of an hour", async () => {
  const templates = new Templates(paths);
  const agent = readFileSync(join(__dirname, "..", "..", "..", "provider", "guest", "agent.sh"), "utf8");
  const reasons = [...agent.matchAll(/echo "([^"]* \$SETTLE_SECONDS s)" >&4/g)].map(([, text = ""]) => text);
  expect(reasons.length).toBeGreaterThan(3);
  for (const reason of reasons.map((text) => text.replace("$SETTLE_SECONDS", "180"))) {
    await templates.refuse(key, reason);
    expect(await templates.refusal(key)).toBe(reason);
    const clock = jest.spyOn(Date, "now").mockReturnValue(Date.now() + 15 * 60_000);
    try {
      expect(await templates.refusal(key)).toBeUndefined();
    } finally {
      clock.mockRestore();
    }
  }
});

test("the list shows templates, the most recently used first, and nothing else that lies there", async () => {
  const templates = new Templates(paths);
  await ensure();
  const other = shapeOf({ ...spec, cpus: 1 }, boot);
  await templates.ensure(other, AbortSignal.timeout(20_000), make, nobody);
  const used = Date.now() / 1_000 + 10;
  utimesSync(join(paths.templates, key, "template.json"), used, used);
  await templates.refuse("other", "it never settles");
  mkdirSync(join(paths.templates, "third.draft"));
  const listed = await templates.list();
  expect(listed.map((template) => template.key)).toEqual([key, Templates.key(other)]);
  expect(listed[0]).toMatchObject({ shape: { cpus: 2, memoryMiB: 512 }, bytes: expect.any(Number) });
});
