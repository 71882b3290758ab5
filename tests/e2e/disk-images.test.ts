import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openPaths } from "../../provider/host/paths";
import { Podman } from "../../provider/host/podman";
import { hashFile } from "../../provider/images/build-context";
import { Images } from "../../provider/images/images";
import { makeBootDisks, type BootDisks } from "../support/boot-disks";
import { eventually } from "../support/eventually";
import { Program } from "../support/program";

// Disks with boot loaders of their own, made here from Debian's packages. Each guest has one of the two readers of an
// identity that we know of, and none of our agents.

let program: Program;
let disks: BootDisks;

beforeAll(async () => {
  program = await Program.open("disks");
  const paths = openPaths({ MAYFLY_HOME: program.data });
  const podman = new Podman(paths);
  const images = new Images(paths, podman, () => Promise.resolve([]));
  disks = await makeBootDisks(images, podman, AbortSignal.timeout(900_000));
});
afterAll(async () => {
  await program[Symbol.asyncDispose]();
});

interface Outputs {
  readonly vms: Readonly<
    Record<string, { readonly config: string; readonly machineId: string; readonly warm: boolean }>
  >;
  readonly said: Readonly<Record<string, string>>;
}

const LOOK = "hostname; whoami; findmnt -no FSTYPE /; cat /etc/machine-id; . /etc/environment; echo $GREETING";
const CLOUD_CONFIG = "#cloud-config\nwrite_files: [{path: /written, content: by cloud-init}]\n";

/** Two VMs, one a disk. `more` are users beside ann, who is in the one where root may not log in. */
async function declare(more: readonly object[]): Promise<void> {
  const fields = {
    bios: { users: [{ name: "ann", sudo: true }, ...more], rootLogin: false, userData: CLOUD_CONFIG },
    uefi: { users: more, disk: "1GiB" },
  };
  await program.write(`
exports.vms = {};
exports.said = {};
for (const [name, fields] of Object.entries(${JSON.stringify(fields)})) {
  const image = new mayfly.Image(name + "-image", { disk: ${JSON.stringify(disks)}[name] });
  const common = { image, memory: "512MiB", environment: { GREETING: "hello" }, bootTimeout: "20m" };
  const vm = new mayfly.VM(name, { ...common, ...fields });
  const look = new mayfly.SshCommand(name + "-look", { vm, create: ${JSON.stringify(LOOK)} });
  exports.vms[name] = { config: vm.sshConfig, machineId: vm.machineId, warm: vm.warm };
  exports.said[name] = look.stdout;
}
`);
}

test("what a guest of its own cannot have is refused at preview, by field, before the image's name is known", async () => {
  await program.write(`
const image = new mayfly.Image("image", { disk: ${JSON.stringify(disks.bios)} });
new mayfly.VM("vm", { image, mounts: [{ source: ".", target: "/srv" }], kernelArgs: ["quiet"], warmBoot: "required" });
`);
  const { failed, text } = await program.try(["preview"]);
  expect(failed).toBe(true);
  const fields = [...text.matchAll(/has a problem: (\w+): (?:can't be|must be "auto" or "never"): /g)].map(
    ([, field]) => field,
  );
  expect([...new Set(fields)].sort()).toEqual(["kernelArgs", "mounts", "warmBoot"]);
});

test("disks boot by their own loaders, by BIOS and by UEFI, and their guests are machines of their own", async () => {
  const content = async () => Promise.all(Object.values(disks).map(hashFile));
  const before = await content();
  await declare([]);
  await program.up();
  const { vms, said } = await program.outputs<Outputs>();
  const lines = (name: string) => said[name]?.trim().split("\n");
  expect(lines("bios")).toEqual(["bios", "ann", "ext4", vms["bios"]?.machineId, "hello"]);
  expect(lines("uefi")).toEqual(["uefi", "root", "ext4", vms["uefi"]?.machineId, "hello"]);
  const ssh = async (name: string, command: string, ...options: string[]) =>
    program.run("ssh", "-F", vms[name]?.config ?? "", ...options, name, command).catch(String);
  expect(await ssh("bios", "cat /written")).toBe("by cloud-init");
  expect(await ssh("bios", "true", "-l", "root")).toContain("Permission denied");
  expect(await ssh("uefi", "test -d /sys/firmware/efi && cat /sys/block/vda/size")).toBe(String(2 * 1_024 ** 2)); // 512 B each

  // Other users apply to the guests that run, and outlive a reboot.
  const key = join(program.home, "key");
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]);
  await declare([{ name: "bob", authorizedKeys: [readFileSync(`${key}.pub`, "utf8").trim()] }]);
  expect((await program.upAtOnce()).steps).toEqual(["bios: update", "uefi: update"]);
  const asBob = ["-l", "bob", "-i", key];
  expect(await ssh("bios", "id -un", ...asBob)).toBe("bob");
  const boot = "cat /proc/sys/kernel/random/boot_id";
  const first = await ssh("uefi", boot, ...asBob);
  await ssh("uefi", "systemctl reboot");
  await eventually("it has rebooted, and lets in whom it did", 600, async () => {
    const now = await ssh("uefi", boot, ...asBob);
    return /^[0-9a-f-]{36}$/.test(now) && now !== first;
  });

  await program.pulumi("destroy", "--yes", "--skip-preview");
  expect(await program.leftovers()).toEqual([]);
  expect(await content()).toEqual(before);
}, 900_000); // three boots of whole systems, with whatever else runs beside them
