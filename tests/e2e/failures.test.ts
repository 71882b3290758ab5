import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { delimiter, join } from "node:path";
import { Program } from "../support/program";
import { Plugin } from "../contract/support/plugin";
import { sentBy } from "../contract/support/provider-text";
import { ContainerImages } from "../support/container-images";
import { makeSmallImages, type SmallImages } from "../support/small-images";

let program: Program;
let workshop: ContainerImages;
let images: SmallImages;

beforeAll(async () => {
  program = await Program.open("failures");
  await program.write('exports.image = new mayfly.Image("debian", { debian: {} }).imageName;');
  await program.upAtOnce();
  workshop = new ContainerImages(program);
  images = await makeSmallImages(workshop, (await program.outputs<{ image: string }>()).image);
});
afterAll(async () => {
  await using _ = program;
  await workshop[Symbol.asyncDispose]();
});

type Fields = Readonly<Record<string, unknown>>;

/** A program of VMs by name. */
async function declare(vms: Readonly<Record<string, Fields>>): Promise<void> {
  const lines = Object.entries(vms).map(
    ([name, fields]) =>
      `new mayfly.VM("${name}", { cpus: 1, memory: "512MiB", warmBoot: "never", ...${JSON.stringify(fields)} });`,
  );
  await program.write(['const image = new mayfly.Image("debian", { debian: {} });', ...lines].join("\n"));
}

/** What a run said of one resource, from its error on. */
function errorOf({ text }: { text: string }, name: string): string {
  const diagnostics = text.slice(text.indexOf("\nDiagnostics:"));
  return (
    new RegExp(`^  \\S+ \\(${name}\\):\\n((?:    .*\\n|\\n)*)`, "m").exec(diagnostics)?.[1] ??
    `nothing of ${name} in:\n${text}`
  );
}

/** That an error has all its parts: what happened, what was seen, what to do, and its code. */
function expectParts(error: string, happened: string | RegExp, seen: string | RegExp, code: string): void {
  expect(error).toMatch(happened);
  expect(error).toMatch(seen);
  expect(error).toMatch(/^ *To fix: \S.*$/m);
  expect(error).toContain(`More on this: ${code} in docs/errors.md`);
}

/** A `PATH` with all programs of this one's, but for some. */
function pathWithout(...names: string[]): string {
  const folder = join(program.home, `bin-without-${names.join("-")}`);
  mkdirSync(folder, { recursive: true });
  for (const place of (process.env["PATH"] ?? "").split(delimiter))
    for (const name of existsSync(place) ? readdirSync(place) : [])
      if (!names.includes(name) && !existsSync(join(folder, name))) {
        try {
          symlinkSync(join(place, name), join(folder, name));
        } catch {
          // a link into nowhere that has the name already
        }
      }
  return folder;
}

describe("at preview", () => {
  test("all that is wrong is said at once, by field, and by up as well", async () => {
    await using taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as { port: number };
    await program.write(`
new mayfly.VM("wrong", {
  image: "docker://debian", memory: "1 gigabyte", disk: "1000TiB", bootTimeout: "soon", colour: "red",
  authorizedKeys: ["ssh-rsa me@here"], mounts: [{ source: "./nowhere", target: "/srv" }],
  ports: [{ guest: 80, host: ${String(port)} }], users: [{ name: "Ann" }],
});
`);
    for (const verb of [["preview"], ["up", "--yes"]]) {
      const run = await program.try(verb);
      expect(run.failed).toBe(true);
      const said = errorOf(run, "wrong");
      const fields = [...said.matchAll(/has a problem: ([\w.[\]]+): /g)].map(([, field]) => field).sort();
      expect(fields).toEqual([
        ...["authorizedKeys[0]", "bootTimeout", "colour", "disk", "image", "memory", "mounts[0].source"],
        ...["ports[0].host", "users[0].name"],
      ]);
      expect(said).toMatch(/is taken by node \(pid \d+\); choose another, or 0 for a free one/);
      expect(said).toContain(`${join(program.folder, "nowhere")} does not exist`);
    }
    await program.write('new mayfly.SshKey("key", { privateKey: "open sesame, this is no key" });');
    const run = await program.try(["preview"]);
    expect(errorOf(run, "key")).toMatch(/has a problem: privateKey: /);
    expect(run.text).not.toContain("open sesame");

    const twin = { image: images.silent, ports: [{ guest: 80, host: 4_404 }] };
    await declare({ castor: twin, pollux: twin });
    const { text } = await program.try(["preview"]);
    expect(text).toMatch(/ports\[0\]\.host: 127\.0\.0\.1:4404 is wanted by VM "(castor|pollux)" as well/);
  });

  test("programs that are not installed are named, with their packages", async () => {
    // Alone: of two resources, the failure of one may keep the engine from asking for the other.
    await program.write(`new mayfly.VM("web", { image: "${images.silent}" });`);
    const env = { PATH: pathWithout("podman", "qemu-system-x86_64") };
    const said = errorOf(await program.try(["up", "--yes"], { env }), "web");
    for (const name of ["podman", "qemu-system-x86_64"])
      expect(said).toContain(`the program ${name} is not installed on this host`);
    expectParts(said, /sudo apt-get install podman/, /searched in PATH=/, "TOOL_MISSING");
    expect(said).toContain("sudo apt-get install qemu-system-x86 ");
  });

  test("kvm that hangs is no kvm", async () => {
    const hanging = join(program.home, "hanging");
    mkdirSync(hanging);
    const PATH = [hanging, process.env["PATH"]].join(delimiter); // a container has the real one in any case
    const hangs = 'case "$*" in *"-accel kvm"*) exec sleep 1000 ;; esac\nexec /usr/bin/qemu-system-x86_64 "$@"\n';
    writeFileSync(join(hanging, "qemu-system-x86_64"), `#!/bin/sh\n${hangs}`, { mode: 0o755 });
    await declare({ web: { image: images.silent, accelerator: "kvm" } });
    const env = { PATH, MAYFLY_HOME: join(program.home, "fresh") }; // where nobody knows of a better qemu
    const said = errorOf(await program.try(["preview"], { env }), "web");
    const reason = existsSync("/dev/kvm") ? /not done after/ : /\/dev\/kvm/; // without the one nobody asks qemu
    expectParts(said, /accelerator: KVM cannot be used on this host/, reason, "KVM_UNUSABLE");

    await program.write(`
const vm = new mayfly.VM("web", { image: "${images.silent}", memory: "256MiB", waitFor: "none" });
exports.accelerator = vm.accelerator;
`);
    expect(await program.try(["up", "--yes", "--skip-preview"], { env })).toMatchObject({ failed: false });
    expect(await program.outputs()).toEqual({ accelerator: "tcg" }); // it falls back
    expect(await program.try(["destroy", "--yes", "--skip-preview"], { env })).toMatchObject({ failed: false });
  });
});

describe("at up", () => {
  const port = 20_000 + (process.pid % 10_000);

  const good = (more = {}) => ({ image: images.silent, waitFor: "none", ports: [{ guest: 80, host: port }], ...more });

  test("each VM that fails says why, and leaves nothing; what did not fail is there", async () => {
    await declare({
      unknown: { image: "localhost/failures/no-such" },
      empty: { image: images.empty },
      foreign: { image: images.foreign },
      panics: { image: images.silent, kernelArgs: ["test=panic"] },
      // Speaks from its first moment on, so that there is something to show on a slow host too.
      hangs: { image: images.silent, bootTimeout: "15s", kernelArgs: ["loglevel=7", "earlyprintk=serial,ttyS0"] },
      sudoless: { image: images.silent, users: [{ name: "ann", sudo: true }] },
      good: good(),
    });
    const run = await program.try(["up", "--yes", "--skip-preview", "--continue-on-error"]);
    expect(run.failed).toBe(true);
    const parts = (name: string, ...expected: [string | RegExp, string | RegExp, string]) =>
      expectParts(errorOf(run, name), ...expected);
    parts(
      "unknown",
      'there is no image "localhost/failures/no-such"',
      "podman's store has no image",
      "IMAGE_NOT_FOUND",
    );
    parts("empty", "the image is empty", "there is no file in its root folder", "IMAGE_NOT_BOOTABLE");
    parts("foreign", "the image is for riscv64", '"Architecture": "riscv64"', "IMAGE_NOT_BOOTABLE");
    parts("panics", "the kernel panicked: Attempted to kill init!", /Kernel panic - not syncing/, "BOOT_FAILED");
    parts("hangs", "did not listen within 15 s", /last console lines:\n *\[ +\d+\.\d+\] \w/, "BOOT_TIMEOUT");
    parts("sudoless", "user ann: sudo is asked for, but the image has no sudo", "mayfly: cannot boot", "BOOT_FAILED");
    // Where it broke, found before the VM was removed.
    const found = (name: string) => /^ *diagnosis: (.*)$/m.exec(errorOf(run, name))?.[1];
    expect(found("panics")).toBe(
      "kernel: the guest's kernel has panicked (Attempted to kill init! exitcode=0x00000100)",
    );
    expect(found("hangs")).toMatch(/^(?:kernel|init|sshd): /); // how far it came depends on the host
    expect(found("sudoless")).toMatch(/^init: the boot has ended: user ann: sudo is asked for/);
    expect(found("empty")).toBeUndefined();
    // And its whole console, which the error shows the end of.
    const console_ = /^ *the whole console: (.*)$/m.exec(errorOf(run, "panics"))?.[1] ?? "";
    expect(readFileSync(console_, "utf8")).toMatch(/Kernel panic - not syncing/);
    expect(errorOf(run, "empty")).not.toContain("the whole console");

    const left = await program.leftovers();
    expect(left).toHaveLength(3); // container, folder, record
    for (const name of left) expect(name).toContain("good");
  });

  test("a port that somebody took after the check is named, and nothing is left", async () => {
    await using plugin = await Plugin.start({ environment: { MAYFLY_HOME: program.data } });
    const before = await program.leftovers();
    await using server = createServer();
    const free = 30_000 + (process.pid % 2_000);
    const fields = { ...sentBy("VM"), image: images.silent, waitFor: "none", ports: [{ guest: 80, host: free }] };
    const { inputs, failures } = await plugin.check(fields);
    expect(failures).toEqual([]);
    await once(server.listen(free, "127.0.0.1"), "listening");
    const { message } = await plugin.create(inputs).then(
      () => new Error("it did not fail"),
      (error: unknown) => error as Error,
    );
    expectParts(message, `the host port 127.0.0.1:${String(free)} cannot be taken`, /in use/, "PORT_TAKEN");
    expect(await program.leftovers()).toEqual(before);
  });

  test("a VM with a port of its own is replaced by one with the same port", async () => {
    await declare({ good: good({ memory: "300MiB" }) });
    const { steps } = await program.up();
    expect(steps).toEqual(["good: create-replacement", "good: delete-replaced", "good: replace"]);
    expect(await program.leftovers()).toHaveLength(3);
  });

  test("with the faults mended up works, and destroy leaves nothing", async () => {
    await program.write(`
const image = new mayfly.Image("debian", { debian: {} });
const vm = new mayfly.VM("hangs", { image, ports: [{ guest: 80, host: ${String(port)} }] });
exports.said = new mayfly.SshCommand("hello", { vm, create: "echo hello" }).stdout;
`);
    // The port is still that of the VM that goes in the same run: preview says so.
    const early = await program.try(["preview"]);
    expect(errorOf(early, "hangs")).toMatch(/is taken by VM "good" of failures-\d+\/e2e/);
    await program.pulumi("destroy", "--yes", "--skip-preview");
    expect(await program.leftovers()).toEqual([]);
    expect((await program.upAtOnce()).steps).toEqual(["debian: create", "hangs: create", "hello: create"]);
    expect(await program.outputs()).toEqual({ said: "hello" });
    await program.pulumi("destroy", "--yes", "--skip-preview");
    expect(await program.leftovers()).toEqual([]);
  });
});

const asRoot = process.getuid?.() === 0 ? test : test.skip;
asRoot("a full disk is named, leaves nothing, and is mended by room [host lacks: root's rights to mount]", async () => {
  const data = join(program.home, "small");
  mkdirSync(data, { mode: 0o711 });
  await program.run("mount", "-t", "tmpfs", "-o", "size=24m,mode=711", "tmpfs", data);
  try {
    const env = { MAYFLY_HOME: data };
    await program.write(`new mayfly.VM("web", { image: "${images.silent}", memory: "256MiB", waitFor: "none" });`);
    const run = await program.try(["up", "--yes", "--skip-preview"], { env });
    expectParts(errorOf(run, "web"), /disk/, /No space left on device|ENOSPC/i, "DISK_FULL");
    for (const folder of ["machines", "records/machines", "scratch", "artefacts"])
      expect([folder, existsSync(join(data, folder)) ? readdirSync(join(data, folder)) : []]).toEqual([folder, []]);
    await program.run("mount", "-o", "remount,size=400m", data);
    expect(await program.try(["up", "--yes", "--skip-preview"], { env })).toMatchObject({ failed: false });
    expect(await program.try(["destroy", "--yes", "--skip-preview"], { env })).toMatchObject({ failed: false });
    expect(readdirSync(join(data, "machines"))).toEqual([]);
  } finally {
    await program.run("umount", data);
  }
});
