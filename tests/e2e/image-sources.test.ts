import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { execFile } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { openPaths } from "../../provider/host/paths";
import { Podman } from "../../provider/host/podman";
import { Images } from "../../provider/images/images";
import { imageSchema } from "../../provider/schema/image";
import { BUSYBOX } from "../support/container-images";
import { failureOf } from "../support/context";
import { eventually } from "../support/eventually";
import { furnish } from "../support/folders";
import { makeHome } from "../support/home";
import { Registry } from "../support/registry";

// Where images come from, with the podman of this host; no VM is started, and nothing is asked of the world.

const LABEL = `sources-${String(process.pid)}`;
const BASE = `localhost/${LABEL}/base`;

const home = makeHome("sources");
const paths = openPaths({ MAYFLY_HOME: join(home, "data") });
const podman = new Podman(paths);
const images = new Images(paths, podman, () => Promise.resolve([]));
const signal = AbortSignal.timeout(300_000);
const context = join(home, "context");
const made: string[] = [];
let said: string[];
const say = (text: string) => void said.push(text);

/** Where podman would leave what it does not take away. */
const temporary = join(home, "temporary");
mkdirSync(temporary);
process.env["TMPDIR"] = temporary;

const execute = promisify(execFile);
const run = async (...args: string[]) => podman.run(args, { signal });
const inImage = async (name: string, path: string) =>
  podman.script('root=$(podman image mount "$1"); cat "$root$2"; podman image unmount "$1" >/dev/null', [name, path], {
    signal,
  });
/** What podman has of this test: images, and containers of builds. Others work with it at the same time. */
const inStore = async () => [
  await run("images", "--all", "--quiet", "--no-trunc", "--filter", `label=test=${LABEL}`),
  await containersOfBase(),
];
/** Builds' own among them. Podman fails where a container of anybody's goes while it looks at them all: then once more. */
const containersOfBase = async (looks = 10): Promise<string> =>
  run("ps", "--all", "--external", "--quiet", "--filter", `ancestor=${BASE}`).catch((error: unknown) => {
    if (looks === 1 || !/container not known|no such container/.test(String(error))) throw error;
    return containersOfBase(looks - 1);
  });
/** Imports that did not get so far as to have a name. */
const nameless = async () =>
  run("images", "--quiet", "--filter", "label=mayfly.image=rootfs", "--filter", "dangling=true");

const specOf = (fields: object) => {
  const { containerfile } = imageSchema.parse({ containerfile: fields });
  if (containerfile === undefined) throw new Error("no Containerfile");
  return containerfile;
};
const build = async (fields: object, during: AbortSignal = signal) => {
  const name = await images.containerfile(specOf(fields), during, say);
  made.push(name);
  return name;
};

beforeAll(async () => {
  furnish(join(home, "base"), { "bin/sh": "-> busybox", "bin/cat": "-> busybox", "bin/sleep": "-> busybox" });
  await execute("cp", ["-L", BUSYBOX, join(home, "base/bin/busybox")]);
  await execute("tar", ["-C", join(home, "base"), "--owner=0", "--group=0", "-cf", join(home, "base.tar"), "."]);
  await run("import", "--quiet", "--change", `LABEL test=${LABEL}`, join(home, "base.tar"), BASE);
  made.push(BASE);
});
beforeEach(() => {
  said = [];
  rmSync(context, { recursive: true, force: true });
  furnish(context, {
    Containerfile: `FROM ${BASE}\nARG WHO=nobody\nCOPY . /app/\nRUN echo "for $WHO" >/who\n`,
    ".containerignore": "*.log\n",
    "data/file": "one",
  });
});
afterAll(async () => {
  await run("rmi", "--force", ...new Set(made));
  rmSync(home, { recursive: true });
});

test("a Containerfile is built once, and again when what it is built of has changed", async () => {
  const path = join(context, "Containerfile");
  const names = await Promise.all([build({ path }), build({ path }), build({ path })]);
  expect(new Set(names).size).toBe(1);
  expect(said).toContain('build: STEP 4/5: RUN echo "for $WHO" >/who');
  expect(await inImage(names[0], "/who")).toBe("for nobody");
  said = [];
  writeFileSync(join(context, "x.log"), "left out");
  expect(await build({ path })).toBe(names[0]);
  expect(said).toEqual([]);
  writeFileSync(join(context, "data/file"), "two");
  const changed = await build({ path, buildArgs: { WHO: "you, & me" } });
  expect(changed).not.toBe(names[0]);
  expect(await inImage(changed, "/app/data/file")).toBe("two");
  expect(await inImage(changed, "/who")).toBe("for you, & me");
});

test("what a build leaves out is what its hash leaves out", async () => {
  const path = join(context, "Containerfile");
  furnish(context, { ".containerignore": "/data\nA+B\n", "A+B": "", "Data/file": "one", "deep/data/file": "one" });
  const before = await build({ path });
  const list = 'cd "$(podman image mount "$1")/app"; find . -type f; podman image unmount "$1" >&2';
  expect((await podman.script(list, [before], { signal })).split("\n").sort()).toEqual([
    ...["./.containerignore", "./Containerfile", "./Data/file", "./deep/data/file"],
  ]);
  writeFileSync(join(context, "data/file"), "two");
  expect(await build({ path })).toBe(before);
  writeFileSync(join(context, "Data/file"), "two");
  expect(await build({ path })).not.toBe(before);
});

test("a text needs no context; a target ends the build early", async () => {
  const text = `FROM ${BASE} AS first\nRUN echo 1 >/stage\nFROM first\nRUN echo 2 >/stage\n`;
  expect(await inImage(await build({ text }), "/stage")).toBe("2");
  expect(await inImage(await build({ text, target: "first" }), "/stage")).toBe("1");
  expect(readdirSync(paths.scratch)).toEqual([]);
});

test("a build that fails says so with its last lines, and is no image", async () => {
  const before = await inStore();
  const error = await failureOf(build({ text: `FROM ${BASE}\nRUN echo "the reason"; exit 7\n` }));
  expect(error).toMatchObject({ code: "BUILD_FAILED", message: expect.stringMatching(/the reason[^]*status 7/) });
  expect(error.message).not.toContain("MAYFLY_BUILD");
  expect(await inStore()).toEqual(before);
});

test("a build that is cancelled leaves no program, no container and no file", async () => {
  const before = await inStore();
  const cancel = new AbortController();
  const mark = `6${String(process.pid)}`; // seconds, which name it among the programs of the host
  const isRunning = async () =>
    execute("pgrep", ["-f", `^sleep ${mark}$`]).then(
      () => true,
      () => false,
    );
  const failure = failureOf(build({ text: `FROM ${BASE}\nRUN sleep ${mark}\n` }, cancel.signal));
  await Promise.race([eventually("the program of its RUN runs", 60, isRunning), failure]);
  expect((await inStore())[1]).not.toBe(before[1]);
  cancel.abort();
  await failure;
  await eventually("it has ended", 20, async () => !(await isRunning()));
  expect(await inStore()).toEqual(before);
  expect([...readdirSync(paths.scratch), ...readdirSync(temporary)]).toEqual([]);
});

test.each(["", "gzip", "xz", "zstd"])("a root filesystem's tar, packed by %p, is imported once", async (packer) => {
  const file = join(home, `root of 10:15.tar${packer}`); // in which podman would see no file
  await execute("cp", [join(home, "base.tar"), file]);
  if (packer !== "") await execute("sh", ["-c", `${packer} -c <"$0" >"$0.packed" && mv "$0.packed" "$0"`, file]);
  const names = await Promise.all([images.rootfs(file, signal), images.rootfs(file, signal)]);
  made.push(...names);
  expect(names[1]).toBe(names[0]);
  expect((await inImage(names[0], "/bin/busybox")).length).toBeGreaterThan(100_000);
});

test.each([
  ["is cut off", (file: string) => `head -c 100000 base.tar >${file}`],
  ["is packed and cut off", (file: string) => `gzip -c base.tar | head -c 100000 >${file}`],
  ["is no archive", (file: string) => `echo text >${file}`],
  ["is empty", (file: string) => `: >${file}`],
  ["holds nothing", (file: string) => `tar -cf ${file} --files-from=/dev/null`],
])("a tar that %s is refused, and nothing of it stays", async (_what, make) => {
  await execute("sh", ["-c", make("broken.tar")], { cwd: home });
  const error = await failureOf(images.rootfs(join(home, "broken.tar"), signal));
  expect(error).toMatchObject({
    code: "IMAGE_NOT_BOOTABLE",
    message: expect.stringMatching(/broken\.tar is no tar of a root filesystem\n.+\nTo fix: see what is in it/),
  });
  await eventually("no import of it stays", 20, async () => (await nameless()) === "");
});

test("an image is listed once, whatever it is called; removed with all its names", async () => {
  const name = await build({ text: `FROM ${BASE}\nENV LISTED=once\n` });
  made.push(`localhost/${LABEL}/again`);
  await images.tag(name, `localhost/${LABEL}/again`, signal);
  const listed = async () => (await images.list(signal)).filter(({ names }) => names.includes(name));
  expect(await listed()).toEqual([
    expect.objectContaining({
      names: expect.arrayContaining([name, `localhost/${LABEL}/again:latest`]),
      made: "containerfile",
      bootBytes: 0,
    }),
  ]);
  const stored = await images.find(name, signal);
  if (stored !== undefined) await images.remove(stored, signal);
  expect([await images.find(`localhost/${LABEL}/again`, signal), await listed()]).toEqual([undefined, []]);
});

test("a kernel without drivers for a machine's disks is refused before any boot, and nothing of it stays", async () => {
  rmSync(context, { recursive: true });
  const modules = { "modules.dep": "kernel/fs/erofs.ko:\n", "modules.builtin": "kernel/drivers/block/virtio_blk.ko\n" };
  const files = Object.entries(modules).map(([name, text]): [string, string] => [
    `usr/lib/modules/6.1-odd/${name}`,
    text,
  ]);
  furnish(context, { "boot/vmlinuz-6.1-odd": "a kernel", ...Object.fromEntries(files) });
  const image = await images.resolve(await build({ text: `FROM ${BASE}\nCOPY . /\n`, context }), signal, say);
  expect(await failureOf(images.prepare(image, signal, say))).toMatchObject({
    code: "IMAGE_NOT_BOOTABLE",
    message: expect.stringMatching(
      /kernel 6\.1-odd lacks what a machine needs: .*virtio_pci.*overlay[^]*To fix: install a kernel/,
    ),
  });
  expect([...readdirSync(paths.artefacts), ...readdirSync(paths.scratch)]).toEqual([]);
});

test("an image that is being taken apart when that is cancelled does not stay mounted", async () => {
  const name = await build({ text: `FROM ${BASE}\nENV TAKEN=apart\n` });
  const image = await images.resolve(name, signal, say);
  const [programs, path] = [join(home, "programs"), process.env["PATH"] ?? ""];
  furnish(programs, {
    "mkfs.erofs": '#!/bin/sh\n: >"$0.began"\nfor _ in $(seq 600); do [ -e "$0.began" ] || exit 1; sleep 0.1; done\n', // looks for a minute at most
  });
  chmodSync(join(programs, "mkfs.erofs"), 0o755);
  process.env["PATH"] = `${programs}:${path}`;
  try {
    const cancel = new AbortController();
    const failure = failureOf(images.prepare(image, cancel.signal, say));
    const began = join(programs, "mkfs.erofs.began");
    await Promise.race([eventually("its files are packed", 60, () => existsSync(began)), failure]);
    expect(await run("image", "mount")).toContain(name);
    cancel.abort();
    rmSync(began); // an ordinary user's podman tells no signal on: what packs ends by itself there
    await failure;
  } finally {
    process.env["PATH"] = path;
  }
  await eventually("it is unmounted", 20, async () => !(await run("image", "mount")).includes(name));
});

test.each(["oci", "v2s2"])("pullPolicy decides when a registry is asked (manifest: %s)", async (format) => {
  const push = async (name: string) => {
    const folder = join(home, `${name.replaceAll(/\W/g, "-")}-${format}`);
    mkdirSync(folder, { recursive: true });
    await run("push", "--quiet", "--format", format, name, `dir:${folder}`);
    return folder;
  };
  const [old, next] = [await push(BASE), await push(await build({ text: `FROM ${BASE}\nRUN echo new >/new\n` }))];
  await using registry = await Registry.serve(old);
  writeFileSync(join(home, "registries.conf"), registry.configuration);
  process.env["CONTAINERS_REGISTRIES_CONF"] = join(home, "registries.conf");
  const name = `${registry.host}/team/app:latest`;
  made.push(name);
  const always = imageSchema.parse({ reference: name, pullPolicy: "always" });

  expect(await failureOf(images.resolve(name, signal, say, { policy: "never" }))).toMatchObject({
    code: "IMAGE_NOT_FOUND",
  });
  expect(registry.asked).toEqual([]);
  const first = await images.resolve(name, signal, say);
  expect(await images.digestOf(always, signal)).toBe(first.id);
  registry.folder = next;
  expect((await images.resolve(name, signal, say)).id).toBe(first.id);
  const moved = await images.digestOf(always, signal);
  expect(moved).not.toBe(first.id);
  expect((await images.resolve(name, signal, say, { policy: "never" })).id).toBe(first.id); // asking has pulled nothing
  const pulled = await images.resolve(name, signal, say, { policy: "always" });
  expect(pulled.id).toBe(moved);
  expect((await images.resolve(images.pinned(name, pulled), signal, say, { policy: "never" })).id).toBe(moved);

  const other = await failureOf(images.resolve(name, signal, say, { architecture: "arm64" }));
  expect(other.message).toMatch(/there is no image ".*"\nwhat the registry has of it is for amd64\n/);

  await registry[Symbol.asyncDispose]();
  const error = await failureOf(images.digestOf(always, signal));
  expect(error).toMatchObject({ code: "IMAGE_NOT_FOUND", message: expect.stringContaining("connection refused") });
});
