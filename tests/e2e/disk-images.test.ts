import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openPaths } from "../../provider/host/paths";
import { Podman } from "../../provider/host/podman";
import { hashFile } from "../../provider/images/build-context";
import { Images } from "../../provider/images/images";
import { Machines } from "../../provider/machines/machines";
import { makeBootDisks, PACKAGES, type BootDisks } from "../support/boot-disks";
import { eventually } from "../support/eventually";
import { Program } from "../support/program";

// Disks with boot loaders of their own, made here from Debian's packages. Each guest has one of the two readers of an
// identity that we know of, and none of our agents. Beside them a guest of an OCI image that has what reads `userData` and
// `ignition`.

let program: Program;
let disks: BootDisks;
let machines: Machines;
let key: string; // a stranger's

beforeAll(async () => {
  program = await Program.open("disks");
  const paths = openPaths({ MAYFLY_HOME: program.data });
  const podman = new Podman(paths);
  const images = new Images(paths, podman, () => Promise.resolve([]));
  machines = new Machines(paths, podman);
  key = join(program.home, "key");
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]);
  disks = await makeBootDisks(images, podman, AbortSignal.timeout(900_000));
});
afterAll(async () => {
  await program[Symbol.asyncDispose]();
});

interface Outputs {
  readonly vms: Readonly<
    Record<string, { readonly id: string; readonly config: string; readonly machineId: string; readonly warm: boolean }>
  >;
  readonly said: Readonly<Record<string, string>>;
}

const LOOK = "hostname; whoami; findmnt -no FSTYPE /; cat /etc/machine-id; . /etc/environment; echo $GREETING";
const REACH = "timeout 9 bash -c 'exec 3<>/dev/tcp/198.51.100.1/443' 2>&1";
const CLOUD_CONFIG = "#cloud-config\nwrite_files: [{path: /written, content: by cloud-init}]\n";

/** Keys of strangers, and work that is not done at once. */
const USER_DATA = (publicKey: string) => `#cloud-config
write_files: [{path: /written, content: by cloud-init}]
users: [{name: eve, ssh_authorized_keys: ["${publicKey}"]}]
runcmd: [[sh, -c, "sleep 5; echo and done >>/written"]]
cloud_init_modules: [write-files, users-groups]
cloud_config_modules: [runcmd]
cloud_final_modules: [scripts-user]
`;

const IGNITION = (publicKey: string) =>
  JSON.stringify({
    ignition: { version: "3.3.0" },
    passwd: { users: [{ name: "core", sshAuthorizedKeys: [publicKey] }] },
    storage: { files: [{ path: "/etc/made/by", mode: 0o644, contents: { source: "data:,Ignition" } }] },
    systemd: {
      units: [
        {
          ...{ name: "said.service", enabled: true },
          contents:
            "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=true\n[Install]\nWantedBy=multi-user.target\n",
        },
      ],
    },
  });

const LOOK_AT_BOTH = `${LOOK}; cat /written; cat /etc/made/by; stat -c %a /etc/made; systemctl is-active said; id -u core eve`;

/** Two VMs, one a disk, and one of an OCI image. `more` are users beside ann, who is in the one where root may not log in. */
async function declare(more: readonly object[], publicKey: string): Promise<void> {
  const fields = {
    // Its many programs at the same addresses each time, as those of the disks: see `serve` in provider/guest/agent.sh.
    own: { users: more, userData: USER_DATA(publicKey), ignition: IGNITION(publicKey), kernelArgs: ["norandmaps"] },
    bios: { users: [{ name: "ann", sudo: true }, ...more], rootLogin: false, userData: CLOUD_CONFIG },
    uefi: { users: more, disk: "1GiB", network: "isolated", allow: ["192.0.2.7:443"] },
  };
  await program.write(`
exports.vms = {};
exports.said = {};
for (const [name, fields] of Object.entries(${JSON.stringify(fields)})) {
  const disk = ${JSON.stringify(disks)}[name];
  const source = disk ? { disk } : { debian: { packages: ${JSON.stringify(PACKAGES)} } };
  const image = new mayfly.Image(name + "-image", source);
  const common = { image, cpus: 1, memory: "512MiB", environment: { GREETING: "hello" }, bootTimeout: "20m" };
  const vm = new mayfly.VM(name, { ...common, ...fields });
  const look = new mayfly.SshCommand(name + "-look", { vm, create: disk ? ${JSON.stringify(LOOK)} : ${JSON.stringify(LOOK_AT_BOTH)} });
  exports.vms[name] = { id: vm.id, config: vm.sshConfig, machineId: vm.machineId, warm: vm.warm };
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
  const publicKey = readFileSync(`${key}.pub`, "utf8").trim();
  await declare([], publicKey);
  await program.up();
  const { vms, said } = await program.outputs<Outputs>();
  expect(Object.values(vms).map(({ warm }) => warm)).toEqual([false, false, false]); // as no VM with a first boot of its own
  const lines = (name: string) => said[name]?.trim().split("\n");
  expect(lines("bios")).toEqual(["bios", "ann", "ext4", vms["bios"]?.machineId, "hello"]);
  expect(lines("uefi")).toEqual(["uefi", "root", "ext4", vms["uefi"]?.machineId, "hello"]);
  expect(lines("own")).toEqual([
    ...["own", "root", "overlay", vms["own"]?.machineId, "hello"],
    ...["by cloud-initand done", "Ignition755", "active", "1000", "1001"],
  ]);
  const ssh = async (name: string, command: string, ...options: string[]) =>
    program.run("ssh", "-F", vms[name]?.config ?? "", ...options, name, command).catch(String);
  expect(await ssh("bios", "cat /written")).toBe("by cloud-init");
  expect(await ssh("bios", "true", "-l", "root")).toContain("Permission denied");
  const withKey = (user: string) => ["-l", user, "-i", key];
  for (const user of ["core", "eve"]) expect(await ssh("own", "true", ...withKey(user))).toContain("Permission denied");
  expect(await ssh("uefi", REACH)).toMatch(/unreachable/);
  expect(await ssh("uefi", "test -d /sys/firmware/efi && cat /sys/block/vda/size")).toBe(String(2 * 1_024 ** 2)); // 512 B each

  // Other users apply to the guests that run, and outlive a reboot.
  await declare([{ name: "bob", authorizedKeys: [publicKey] }], publicKey);
  expect((await program.upAtOnce()).steps.toSorted()).toEqual(["bios: update", "own: update", "uefi: update"]);
  const asBob = withKey("bob");
  expect(await ssh("bios", "id -un", ...asBob)).toBe("bob");
  const boot = "cat /proc/sys/kernel/random/boot_id";
  const first = await ssh("uefi", boot, ...asBob);
  // Off by its power button, and on again.
  const signal = AbortSignal.timeout(600_000);
  const progress = { signal, say: () => undefined, step: async <T>(_: string, work: () => Promise<T>) => work() };
  const id = vms["uefi"]?.id ?? "";
  expect(await machines.stop(id, 90, signal)).toBe(true);
  expect(await machines.isAlive(id)).toBe(false);
  await machines.startAgain(id, undefined, progress);
  await eventually("it is up, at the same port, and lets in whom it did", 600, async () => {
    const now = await ssh("uefi", boot, ...asBob);
    return /^[0-9a-f-]{36}$/.test(now) && now !== first;
  });
  const opened = await program.run(
    "podman",
    "container",
    "inspect",
    "--format",
    "{{json .Config.Cmd}}",
    `mayfly-${id}`,
  );
  expect(opened).toContain('"192.0.2.7:443"');

  await program.pulumi("destroy", "--yes", "--skip-preview");
  expect(await program.leftovers()).toEqual([]);
  expect(await content()).toEqual(before);
}, 1_800_000); // four boots of whole systems, with whatever else runs beside them
