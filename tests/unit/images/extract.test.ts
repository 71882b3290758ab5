import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import type { Podman } from "../../../provider/host/podman";
import { run, type RunOptions } from "../../../provider/host/run";
import { extractImage } from "../../../provider/images/extract";
import { failureOf } from "../../support/context";

// What a boot needs, taken out of an image that is a folder here, by the scripts themselves.

let folder: string;
let image: string;
let out: string;
let podman: Podman;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mayfly extract "));
  [image, out] = [join(folder, "image"), join(folder, "out")];
  for (const path of [image, out, join(folder, "bin")]) mkdirSync(path);
  writeFileSync(join(folder, "secret"), "the host's secret");
  program("podman", `echo "$*" >>"$IMAGE.log"; [ "$2" != mount ] || echo "$IMAGE"`);
  program("mkfs.erofs", `: >"$3"`);
  const environment = { IMAGE: image, PATH: `${join(folder, "bin")}:${process.env["PATH"] ?? ""}` };
  const script = (text: string, args: readonly string[], options: RunOptions) =>
    run("sh", ["-euc", text, "mayfly", ...args], { ...options, environment });
  podman = { script } as unknown as Podman;
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function program(name: string, text: string): void {
  writeFileSync(join(folder, "bin", name), `#!/bin/sh\n${text}\n`);
  chmodSync(join(folder, "bin", name), 0o755);
}

/** Fills the image: paths of files and, with `link:`, of links, and with `pipe:` of named pipes. */
function fill(files: Readonly<Record<string, string>>): void {
  for (const [name, content] of Object.entries(files)) {
    const path = join(image, name);
    mkdirSync(dirname(path), { recursive: true });
    if (content.startsWith("link:")) symlinkSync(content.slice("link:".length), path);
    else if (content === "pipe:") execFileSync("mkfifo", [path]);
    else writeFileSync(path, content);
  }
}

const MODULES = "usr/lib/modules/6.1";
const WHOLE = { [`${MODULES}/modules.dep`]: "erofs.ko:\n", [`${MODULES}/erofs.ko`]: "module", "sbin/init": "" };
const extract = () => extractImage(podman, "id", out, AbortSignal.timeout(20_000));
const read = (name: string) => readFileSync(join(out, name), "utf8");

test.each([
  ["in the modules' folder", { [`${MODULES}/vmlinuz`]: "kernel" }],
  ["in /boot", { "boot/vmlinuz-6.1": "kernel" }],
  ["by an absolute link, as the machine has it", { [`${MODULES}/vmlinuz`]: "link:/boot/k", "boot/k": "kernel" }],
  ["by links, one of a folder", { "boot/vmlinuz-6.1": "link:../k/v", k: "link:/opt/./k", "opt/k/v": "kernel" }],
  ["by a link to above the top", { "boot/vmlinuz-6.1": "link:../../../../k", k: "kernel" }],
])("a kernel %s is taken with its modules", async (_, files) => {
  fill({ ...WHOLE, ...files });
  expect(await extract()).toMatchObject({ version: "6.1" });
  expect([read("kernel"), read("initramfs/modules/00-erofs.ko")]).toEqual(["kernel", "module"]);
});

test("modules in a folder by an absolute link are the image's own", async () => {
  fill({ "opt/m/6.1/modules.dep": "erofs.ko:\n", "opt/m/6.1/erofs.ko": "module", "opt/m/6.1/vmlinuz": "kernel" });
  fill({ lib: "link:/usr/lib", "usr/lib/modules": "link:/opt/m" });
  expect(await extract()).toMatchObject({ version: "6.1" });
  expect([read("kernel"), read("initramfs/modules/00-erofs.ko")]).toEqual(["kernel", "module"]);
});

test.each<[string, (secret: string) => Record<string, string>]>([
  ["kernel", (secret) => ({ [`${MODULES}/vmlinuz`]: `link:${secret}` })],
  ["kernel by way of a folder", (secret) => ({ boot: `link:${dirname(secret)}`, [`${MODULES}/k`]: "" })],
  ["list of modules", (secret) => ({ "usr/lib/modules/9/modules.dep": `link:${secret}`, "boot/vmlinuz-9": "kernel" })],
  ["kernel that is a pipe", () => ({ [`${MODULES}/vmlinuz`]: "pipe:" })],
  ["table of its init that is a pipe", () => ({ "etc/inittab": "pipe:", "bin/busybox": "" })],
])("nothing of the host is taken for an image's %s", async (_, files) => {
  writeFileSync(join(folder, "vmlinuz-6.1"), "the host's secret");
  fill({ ...WHOLE, ...files(join(folder, "secret")) });
  expect(await extract()).not.toHaveProperty("version");
  expect(readdirSync(out)).toEqual(["rootfs.erofs"]);
});

test("the image is mounted as long as it is read, and no longer", async () => {
  fill({ ...WHOLE, [`${MODULES}/vmlinuz`]: "kernel" });
  await extract();
  const asked = readFileSync(`${image}.log`, "utf8").trim().split("\n");
  expect(asked).toEqual(asked.map((_, index) => `image ${index % 2 === 0 ? "mount" : "unmount"} id`));
});

test("a module that leads out of the image is none", async () => {
  fill({ [`${MODULES}/modules.dep`]: "erofs.ko:\n", [`${MODULES}/vmlinuz`]: "kernel" });
  fill({ [`${MODULES}/erofs.ko`]: `link:${join(folder, "secret")}` });
  expect(await failureOf(extract())).toMatchObject({
    evidence: expect.stringContaining(`/${MODULES}/erofs.ko is no file of the image`) as unknown,
  });
});

test("a module's path leads nowhere but into the image, and is written nowhere but with its like", async () => {
  const path = "a=/../../../evil/erofs.ko";
  fill({ ...WHOLE, [`${MODULES}/modules.dep`]: `${path}:\n`, [`${MODULES}/vmlinuz`]: "kernel" });
  fill({ [`${MODULES}/a=/file`]: "", "usr/lib/evil/erofs.ko": "module" });
  mkdirSync(join(folder, "evil"));
  await extract();
  expect(readdirSync(join(folder, "evil"))).toEqual([]);
  expect(read("initramfs/modules/00-erofs.ko")).toBe("module");
});
