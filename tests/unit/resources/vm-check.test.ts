import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import type { Rooms } from "../../../provider/context";
import { checkInputs } from "../../../provider/engine/inputs";
import type { Demand, Obstacle } from "../../../provider/machines/obstacles";
import { handlerOf } from "../../../provider/resources/registry";
import { hostnameFrom } from "../../../provider/resources/vm";
import { userIds } from "../../../provider/resources/vm-access";
import { vmSchema } from "../../../provider/schema/vm";
import { Ssh } from "../../../provider/ssh/ssh";
import { LOOK } from "../engine/things";

const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAII37xzK3pcyiJ1Ho4w05Mtm+IOKI4Ysxi4OrWBBEhtAt";

/** Checks a VM on a host with the given obstacles; failures as `FIELD: REASON`. */
async function check(
  fields: Record<string, unknown>,
  { obstacles = [], isNew = true }: { obstacles?: Obstacle[]; isNew?: boolean } = {},
) {
  const demands: Demand[] = [];
  const said: string[] = [];
  const machines = { obstacles: async (demand: Demand) => demands.push(demand) && obstacles };
  const images = { find: () => Promise.reject(new Error("no such name")) };
  const openRooms = () => Promise.resolve({ machines, images, ssh: new Ssh() } as unknown as Rooms);
  const look = { ...LOOK, isNew, openRooms, say: (text: string) => void said.push(text) };
  const { inputs, failures } = await checkInputs(await handlerOf("VM"), { image: "localhost/x", ...fields }, look);
  return { inputs, failures: failures.map(({ property, reason }) => `${property}: ${reason}`), demands, said };
}

test("a variable that pam_env would cut, or lose with all that follow, is refused by its field", async () => {
  const longest = 8_187 - "LONG".length;
  const fine = { A: `it's "so" $HOME \\`, LONG: "x".repeat(longest) };
  expect((await check({ environment: fine })).failures).toEqual([]);
  const remedy = "give it to an SshCommand's own environment, or in a file, by CopyFile";
  expect((await check({ environment: { A: "a#b", B: "a\nb", LONG: "ü".repeat(longest / 2 + 1) } })).failures).toEqual([
    `environment.A: must not have a # in it, where a value of /etc/environment ends: ${remedy}`,
    `environment.B: must be one line, as /etc/environment knows no other: ${remedy}`,
    `environment.LONG: must be shorter by 1 bytes, for a line of /etc/environment: ${remedy}`,
  ]);
});

test("variables that are too many for the guest's agent, which would cut the last ones, are refused", async () => {
  const six = (length: number) =>
    Object.fromEntries(["A", "B", "C", "D", "E", "F"].map((name) => [name, "x".repeat(length)]));
  expect((await check({ environment: six(8_186) })).failures).toEqual([]);
  expect((await check({ environment: { ...six(8_186), G: "more" } })).failures).toEqual([
    "environment: must be shorter by 3 bytes in all: give what is long in a file",
  ]);
});

test("a home or shell that /etc/passwd cannot have is refused by its field", async () => {
  const users = [{ name: "ann", home: "/srv/a:b", shell: "/bin/sh:" }];
  expect((await check({ users })).failures).toEqual([
    'users[0].shell: must be a path without a colon, got "/bin/sh:"',
    'users[0].home: must be a path without a colon, got "/srv/a:b"',
  ]);
});

test("UDP is not published from an isolated guest: QEMU lets no answer out", async () => {
  const ports = [{ guest: 53, protocol: "udp" }, { guest: 80 }];
  const { failures } = await check({ network: "isolated", ports });
  expect(failures.map((failure) => failure.split(":")[0])).toEqual(["ports[0].protocol"]);
});

test("only an isolated VM has a list of what it may reach, by host and port; the host's loopback can't be on it", async () => {
  const fine = ["db.example.com:5432", "192.0.2.7:443", "my_host:1", "169.254.169.254:80"];
  expect((await check({ network: "isolated", allow: fine })).failures).toEqual([]);
  expect((await check({ allow: fine })).failures).toEqual([expect.stringMatching(/^allow: needs network "isolated"/)]);
  const wrong = [
    ...["db.example.com", "db:0", "db:65536", ":80", "http://db:80", "-a:1", "a..b:1", "[::1]:80", "192.0.2:80"],
    ...[
      "192.0.2.256:80",
      "localhost:80",
      "127.0.0.1:80",
      "0.0.0.0:80",
      "10.53.0.2:80",
      "224.0.0.1:80",
      "192.0.2.0/24:80",
    ],
  ];
  const { failures } = await check({ network: "isolated", allow: wrong });
  expect(failures.map((failure) => failure.split(":")[0])).toEqual(wrong.map((_, index) => `allow[${String(index)}]`));
});

test("what the guest of a disk image cannot have is said by field, also before the image has its name", async () => {
  const wrong = {
    ...{ mounts: [{ source: "/", target: "/srv" }], networks: [{ network: "n", subnet: "10.80.0.0/24" }] },
    ...{ kernelArgs: ["quiet"], network: "isolated", allow: ["192.0.2.7:443", "db:5432"], waitFor: "none" },
  };
  const fields = ["allow[1]", "kernelArgs", "mounts", "networks", "waitFor"];
  for (const image of [
    { image: UNKNOWN, fromDisk: true },
    { image: `localhost/mayfly/disk@sha256:${"0".repeat(64)}` },
  ]) {
    const { failures } = await check({ ...wrong, ...image });
    expect(failures.map((failure) => failure.split(":")[0]).sort()).toEqual(fields);
    expect((await check({ ...image, warmBoot: "required" })).failures).toEqual([
      expect.stringMatching(/^warmBoot: must be/),
    ]);
    expect((await check({ ...image, userData: "#cloud-config\n{}", disk: "4GiB" })).failures).toEqual([]);
  }
});

test("what a first boot is given has its form and its limits, and is no template's", async () => {
  const ignition = (more: object) => ({ ignition: JSON.stringify({ ignition: { version: "3.3.0" }, ...more }) });
  const wrong = async (fields: Record<string, unknown>) => (await check({ image: UNKNOWN, ...fields })).failures;
  expect(await wrong({ userData: "#cloud-config\n{}", ...ignition({}) })).toEqual([]);
  expect(await wrong({ ignition: "variant: fcos" })).toEqual([expect.stringMatching(/^ignition: must be a config/)]);
  expect(await wrong({ userData: "ö".repeat(262_145) })).toEqual([expect.stringMatching(/^userData: .*512 KiB/)]);
  const { failures } = await check({ ...ignition({ kernelArguments: {} }), userData: "x", warmBoot: "required" });
  expect(failures.map((failure) => failure.split(":")[0]).sort()).toEqual(["ignition", "warmBoot", "warmBoot"]);
});

test("everything that is wrong is said at once, by field, what the host lacks too", async () => {
  const wrong = {
    ...{ image: "docker://x", memory: "1 pound", cpus: 0, ports: [{ guest: 70_000 }], discs: [], disk: "5 GB" },
    ...{ mounts: [{ source: "/no/such/folder", target: "/srv" }], bootTimeout: "soon", expiresAfter: 0 },
    authorizedKeys: [KEY, "ssh-rsa AAAA", KEY.slice(0, 40), "hello"],
  };
  const { failures } = await check(wrong, { obstacles: [{ about: "accelerator", reason: "no KVM" }] });
  expect(failures.map((failure) => failure.split(":")[0]).sort()).toEqual([
    ...["accelerator", "authorizedKeys[1]", "authorizedKeys[2]", "authorizedKeys[3]", "bootTimeout", "cpus", "discs"],
    ...["disk", "expiresAfter", "image", "memory", "mounts[0].source", "ports[0].guest"],
  ]);
});

test.each([
  ["memory", "1GiB", 1_024],
  ["memory", "1.5 GiB", 1_536],
  ["memory", 512, 512],
  ["disk", "1T", 1_048_576],
  ["bootTimeout", "90s", 90],
  ["bootTimeout", "1.5m", 90],
  ["expiresAfter", "2d", 172_800],
])("%s %j is %d", async (field, written, read) => {
  expect((await check({ [field]: written })).inputs[field]).toBe(read);
});

test.each([
  ["memory", ["1GB", "1kiB", "-1GiB", "0", 0, 1.5, "64MiB", true, ""]],
  ["disk", ["1GB", "10", "32MiB"]],
  ["bootTimeout", ["5 minutes", "1h30m", -1, 0, "0s", "∞"]],
  ["image", ["", "Upper", "a b", "./image.qcow2", "/var/x.img", "docker://a/b", "a:b:c", "a@sha256:12", "-a", "a//b"]],
] as const)("%s can't be any of %j", async (field, values) => {
  for (const value of values)
    expect((await check({ [field]: value })).failures).toEqual([expect.stringContaining(`${field}: `)]);
});

test.each([
  "x",
  "localhost/x",
  "quay.io/a/b:v1.2_3",
  "host.example:5000/a/b__c",
  `a/b@sha256:${"0".repeat(64)}`,
  "8b87f4fe3227",
])("image %s may be one", async (image) => {
  expect((await check({ image })).failures).toEqual([]);
});

test("what is declared twice, or can't be together, is named", async () => {
  const { failures } = await check({
    users: [{ name: "a", uid: 5 }, { name: "a" }, { name: "b", uid: 5 }],
    ports: [{ guest: 80, host: 8_080 }, { guest: 81, host: 8_080, hostAddress: "0.0.0.0" }, { guest: 22 }],
    mounts: ["/srv", "/srv"].map((target) => ({ source: ".", target })),
  });
  expect(failures.map((failure) => failure.split(":")[0]).sort()).toEqual([
    ...["mounts[1].target", "ports[1].host", "ports[2].guest", "users[1].name", "users[2].uid"],
  ]);
});

describe("a look at the host", () => {
  const obstacles: Obstacle[] = [
    { about: ["ports", 1], reason: "is taken" },
    { about: "scratch", reason: "is a lot", isWarning: true },
    { about: "scratch", reason: "is too much" },
    { reason: "podman is missing" },
  ];
  const ports = [{ guest: 80 }, { guest: 81, host: 8_081 }];

  test("is made for a new VM, with what it asks for; a warning is said and no failure", async () => {
    const { failures, demands, said } = await check({ memory: "2GiB", disk: "1TiB", ports }, { obstacles });
    expect(failures).toEqual(["ports[1].host: is taken", "disk: is too much", ": podman is missing"]);
    expect(said).toEqual(["warning: disk: is a lot"]);
    expect(demands).toEqual([
      expect.objectContaining({ memoryMiB: 2_048, scratchMiB: 1_048_576, accelerator: "auto", owner: LOOK.owner }),
    ]);
  });

  test("is not made for a VM that is there: it has what it needs", async () => {
    const mounts = [{ source: "/no/such/folder", target: "/srv" }];
    const { failures, demands } = await check({ ports, mounts }, { obstacles, isNew: false });
    expect([failures, demands]).toEqual([[], []]);
  });

  test("finds a key pair that is none, also for a VM that is there", async () => {
    const folder = mkdtempSync(join(tmpdir(), "mayfly-pair-"));
    try {
      execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "of mine", "-f", join(folder, "id")]);
      const privateKey = readFileSync(join(folder, "id"), "utf8");
      const publicKey = readFileSync(join(folder, "id.pub"), "utf8");
      const of = async (sshKey: object) => (await check({ sshKey }, { isNew: false })).failures;
      expect(await of({ privateKey, publicKey })).toEqual([]);
      expect(await of({ privateKey, publicKey: KEY })).toEqual([
        expect.stringMatching(/^sshKey\.publicKey: is not the/),
      ]);
      expect(await of({ privateKey: publicKey, publicKey })).toEqual([expect.stringMatching(/^sshKey\.privateKey: /)]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

test("what is not known yet is not complained about", async () => {
  const { inputs, failures } = await check({ image: UNKNOWN, memory: "2GiB" });
  expect(failures).toEqual([]);
  expect(inputs).toMatchObject({ image: UNKNOWN, memory: 2_048, cpus: 2 });
});

test("only a port that both want makes the old VM go first", async () => {
  const handler = await handlerOf("VM");
  const spec = (...hosts: number[]) =>
    vmSchema.parse({ image: "x", ports: hosts.map((host) => ({ guest: 80, host })) });
  expect(handler.deleteFirst?.(spec(8_080), spec(0, 8_080))).toBe(true);
  expect(handler.deleteFirst?.(spec(0, 8_080), spec(0, 8_081))).toBe(false);
});

test("users get the ids they ask for, the others the next free ones from 1000", () => {
  const { users } = vmSchema.parse({ image: "x", users: [{ name: "a" }, { name: "b", uid: 1_000 }, { name: "c" }] });
  expect([...userIds(users)]).toEqual([
    ["root", 0],
    ["b", 1_000],
    ["a", 1_001],
    ["c", 1_002],
  ]);
});

test.each([
  ["web", "web"],
  ["my_web.server", "my-web-server"],
  ["--", "vm"],
])("the host name of %s", (name, hostname) => {
  expect(hostnameFrom(name)).toBe(hostname);
});

test("a disk is a file of one's own, of the format that is said, and whole", async () => {
  const folder = mkdtempSync(join(tmpdir(), "mayfly-disks-"));
  try {
    const at = (name: string) => join(folder, name);
    writeFileSync(at("raw"), "data");
    writeFileSync(at("short"), "");
    execFileSync("qemu-img", ["create", "-q", "-f", "qcow2", at("whole"), "16M"]);
    execFileSync("qemu-img", ["create", "-q", "-f", "qcow2", "-b", at("whole"), "-F", "qcow2", at("layer")]);
    const look = async (source: string, fields = {}) =>
      (await check({ disks: [{ source: at(source), name: "data", ...fields }] })).failures;
    const qcow2 = { format: "qcow2" };
    expect([await look("raw"), await look("short"), await look("whole", qcow2)]).toEqual([[], [], []]);
    expect(await look("whole")).toEqual([expect.stringMatching(/^disks\[0\]\.format: must be "qcow2"/)]);
    expect(await look("raw", qcow2)).toEqual([expect.stringMatching(/^disks\[0\]\.format: can't be "qcow2"/)]);
    expect(await look("layer", qcow2)).toEqual([expect.stringMatching(/^disks\[0\]\.source: must not have a backing/)]);
    expect(await look(".")).toEqual([expect.stringMatching(/^disks\[0\]\.source: must be a file/)]);
    const twice = { disks: ["raw", "short"].map((source) => ({ source: at(source), name: "data" })) };
    expect((await check(twice)).failures).toEqual([
      expect.stringMatching(/^disks\[1\]\.name: "data" is the name of two/),
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("units are files of systemd, labels none of Mayfly's own, a disk's name fits its serial number", async () => {
  const units = { "app.service": "[Unit]\n", "ssh.service.d/more.conf": "[Unit]\n" };
  const disks = [{ source: "/x", name: "a".repeat(21) }];
  expect((await check({ systemdUnits: units, labels: { "ci/job": "7" } })).failures).toEqual([]);
  const { failures } = await check({ systemdUnits: { "../x.service": "" }, labels: { "mayfly.stack": "x" }, disks });
  expect(failures.map((failure) => failure.split(":")[0]).sort()).toEqual([
    ...["disks[0].name", 'labels["mayfly.stack"]', 'systemdUnits["../x.service"]'],
  ]);
});

test.each([
  [undefined, /^image: is required: /],
  [5, /^image: must be the name of an OCI image, .*, got 5$/],
])("an image that is missing, or none: %s", async (image, reason) => {
  expect((await check({ image })).failures).toEqual([expect.stringMatching(reason)]);
});
