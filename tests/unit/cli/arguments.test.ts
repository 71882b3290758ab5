import { expect, test } from "@jest/globals";
import { readDisk } from "../../../cli/args/disk";
import { readImageSource } from "../../../cli/args/image";
import { readLogDir } from "../../../cli/args/log-dir";
import { readMachine, tellFailures } from "../../../cli/args/machine";
import { readSshLine, splitSshLine } from "../../../cli/args/ssh";
import { readPlaces } from "../../../cli/commands/cp";
import { mayfly } from "../../../cli/mayfly";
import { isOlder } from "../../../cli/doctor/versions";
import { installCommand, readDistribution } from "../../../cli/doctor/distribution";
import { debianSuite } from "../../../cli/vms/image";
import { matching, type FoundVM } from "../../../cli/vms/find";
import { parse } from "../../../provider/engine/parse";
import { vmSchema } from "../../../provider/schema/vm";

test("options become the inputs of a VM", () => {
  const { inputs, networks } = readMachine({
    ...{ name: "dev", memory: "2G", cpus: "4", disk: "10G", expires: "2h", warm: false },
    ...{ bind: ["./code:/workspace"], roBind: ["/a:b:/srv/a"], karg: ["debug"], env: ["A=b=c"] },
    ...{ port: ["8080:80", "53", "0.0.0.0:443:443"], network: ["isolated", "lan:10.80.0.7"] },
  });
  const { value, failures } = parse(vmSchema, { ...inputs, image: "debian" });
  expect(failures).toEqual([]);
  expect(value).toMatchObject({
    ...{ hostname: "dev", memory: 2_048, cpus: 4, disk: 10_240, expiresAfter: 7_200, warmBoot: "never" },
    mounts: [
      { source: "./code", target: "/workspace", readOnly: false },
      { source: "/a:b", target: "/srv/a", readOnly: true },
    ],
    ports: [
      { guest: 80, host: 8_080, hostAddress: "127.0.0.1", protocol: "tcp" },
      { guest: 53, host: 0, protocol: "tcp" },
      { guest: 443, host: 443, hostAddress: "0.0.0.0" },
    ],
    ...{ network: "isolated", kernelArgs: ["debug"], environment: { A: "b=c" } },
  });
  expect(networks).toEqual([{ name: "lan", address: "10.80.0.7" }]);
});

test("several private networks are checked as having addresses of their own", async () => {
  const run = mayfly().parseAsync(
    ["run", "-d", "--network", "a", "--network", "b", "--network", "p/s/c:10.80.0.7", "--memory", "3x"],
    { from: "user" },
  );
  await expect(run).rejects.toThrow(/^--memory: must be a size[^\n]*$/);
});

test("a directory may be read-only as podman has it", () => {
  const { mounts } = readMachine({ bind: ["./x:/a:ro", "./y:/b:rw"], roBind: ["./z:/c:ro"] }).inputs;
  expect(mounts).toEqual([
    { source: "./x", target: "/a", readOnly: true },
    { source: "./y", target: "/b", readOnly: false },
    { source: "./z", target: "/c", readOnly: true },
  ]);
});

test("a port may be of UDP", () => {
  expect(readMachine({ port: ["53/udp"] }).inputs.ports).toEqual([{ guest: 53, host: 0, protocol: "udp" }]);
});

test("what is wrong is said by option, all at once", () => {
  const { inputs, origins } = readMachine({ memory: "3x", port: ["80:80", "99999"], roBind: ["./x:/a", "./y:/a"] });
  const { failures } = parse(vmSchema, { ...inputs, image: "debian" });
  const text = tellFailures(failures, origins).message;
  expect(text).toMatch(/^ *--memory: must be a size/m);
  expect(text).toMatch(/^ *--port 99999: must be a port/m);
  const twice = parse(vmSchema, { ...readMachine({ bind: ["./x:/a"], roBind: ["./y:/a"] }).inputs, image: "debian" });
  const { origins: all } = readMachine({ bind: ["./x:/a"], roBind: ["./y:/a"] });
  expect(tellFailures(twice.failures, all).message).toBe('--ro-bind ./y:/a: "/a" is mounted twice');
});

test.each([
  [{ bind: ["./x"] }, "--bind ./x: must be HOST:GUEST"],
  [{ bind: ["./x:/y:z"] }, "--bind ./x:/y:z: must be HOST:GUEST"],
  [{ roBind: ["./x:/y:rw"] }, "--ro-bind ./x:/y:rw: is read-only; --bind is not"],
  [{ port: ["a:80"] }, "--port a:80: must be GUEST"],
  [{ network: ["user", "isolated"] }, "one way out"],
  [{ network: ["user:10.80.0.7"] }, "--network user:10.80.0.7: the way out, user, has no address to choose"],
  [{ network: ["a b"] }, "--network a b: must be user, isolated, NAME"],
  [{ network: ["../x"] }, "--network ../x: must be user, isolated, NAME"],
  [{ network: ["-a"] }, "--network -a: must be user, isolated, NAME"],
  [{ network: ["a:b"] }, "--network a:b: must be user, isolated, NAME"],
  [{ env: ["A"] }, "--env A: must be NAME=VALUE"],
])("%j is refused", (options, text) => {
  expect(() => readMachine(options)).toThrow(text);
});

test("what bcvk calls a size, a disk and a label means the same here", () => {
  const { inputs } = readMachine({
    ...{ itype: "u1.medium", addSwap: "2G", label: ["ci/job=7=8"] },
    mountDiskFile: ["./a.img", "/x:y/b.qcow2:data", "c:more:qcow2"],
  });
  const { value, failures } = parse(vmSchema, { ...inputs, image: "debian" });
  expect(failures).toEqual([]);
  expect(value).toMatchObject({
    ...{ cpus: 1, memory: 4_096, swap: 2_048, labels: { "ci/job": "7=8" } },
    disks: [
      { source: "./a.img", name: "output", format: "raw" },
      { source: "/x:y/b.qcow2", name: "data", format: "qcow2" },
      { source: "c", name: "more", format: "qcow2" },
    ],
  });
  expect(readMachine({ vcpus: "3" }).inputs.cpus).toBe(3);
  expect(() => readMachine({ vcpus: "3", cpus: "3" })).toThrow("are the same");
  for (const itype of ["u1.huge", "constructor"])
    expect(() => readMachine({ itype })).toThrow("must be one of u1.nano");
  expect(() => readMachine({ itype: "u1.nano", memory: "8G" })).toThrow("--itype and --memory: a type has CPUs and");
  expect(() => readMachine({ itype: "u1.nano", vcpus: "4" })).toThrow("--itype and --vcpus: a type has CPUs and");
});

test.each(["a:b:vmdk", "a:", ":b", "a:b:raw:c", ""])("--mount-disk-file %j is refused", (text) => {
  expect(() => readDisk(text)).toThrow("must be FILE");
});

test("logs go to a folder, by their names", () => {
  expect(readLogDir("journal,console=/a=b")).toEqual({ streams: ["console", "journal"], folder: "/a=b" });
  for (const text of ["/a", "console=", "=/a", "console,syslog=/a"]) expect(() => readLogDir(text)).toThrow("must be");
});

test("an image is made of one thing", () => {
  expect(readImageSource(".", { buildArg: ["A=b"] }).containerfile).toEqual({
    ...{ path: "./Containerfile", context: ".", buildArgs: { A: "b" } },
  });
  expect(readImageSource(undefined, { debian: true }).debian).toEqual({ suite: "bookworm", packages: [] });
  expect(() => readImageSource(".", { rootfs: "x" })).toThrow("one thing");
  expect(() => readImageSource(undefined, {})).toThrow("one thing");
  expect(() => readImageSource(undefined, { debian: "Bookworm" })).toThrow(/^--debian: must be the name of a Debian/);
  expect(() => readImageSource(undefined, { rootfs: "x", package: ["vim"] })).toThrow("is for --debian");
  for (const tag of ["Foo Bar", "x@sha256:" + "0".repeat(64)])
    expect(() => readImageSource(undefined, { debian: true, tag })).toThrow(`--tag ${tag}: must be a name`);
});

test.each([["--virtiofsd", "x"], ["--debug"], ["-t"]])("run %s of bcvk is refused with a reason", async (...words) => {
  await expect(mayfly().parseAsync(["run", ...words], { from: "user" })).rejects.toThrow(/of bcvk is not here: .{20}/);
});

test.each([
  ["--json tells of a VM that stays", ["--json"]],
  ["--json tells of a VM that stays", ["-d", "--json", "--execute", "true"]],
  ["--rm and -d", ["-d", "--rm"]],
])("run, %s: %j is refused", async (reason, words) => {
  await expect(mayfly().parseAsync(["run", ...words], { from: "user" })).rejects.toThrow(reason);
});

test.each([
  ["web", [], "web", []],
  ["-t web top -b", ["-t"], "web", ["top", "-b"]],
  ["-L 80:localhost:80 -NA web", ["-L", "80:localhost:80", "-NA"], "web", []],
  ["-L80:localhost:80 web -- ls -l", ["-L80:localhost:80"], "web", ["--", "ls", "-l"]],
  ["-NL 1:a:1 web", ["-NL", "1:a:1"], "web", []],
  ["-P tag web", ["-P", "tag"], "web", []],
  ["-t", ["-t"], undefined, []],
])("ssh %s", (line, before, destination, after) => {
  expect(splitSshLine(line.split(" "))).toEqual({ before, destination, after });
});

test.each(["--memroy 2G debian", "--memroy=2G debian", "-t --x debian", "debian --memory 2G", "dev -L 1:a:1 --x top"])(
  "ssh %s: a long option that is not ours is refused",
  (line) => {
    expect(() => readSshLine(line.split(" "))).toThrow(
      /^--\S+: (?:is no option of mayfly ssh|options of mayfly ssh go before de\w+) .*no long ones$/,
    );
  },
);

test("what stands for a command may have any options", () => {
  for (const line of ["dev ls --all", "dev -t -- --x", "-t dev top --x"])
    expect(() => readSshLine(line.split(" "))).not.toThrow();
});

test.each(["run", "ssh"])("%s --network-isolation of bcvk leaves the VM no way out", async (verb) => {
  const command = mayfly().commands.find((one) => one.name() === verb) ?? mayfly();
  const words = ["--network-isolation", "--network", "lan", ...(verb === "ssh" ? ["--ssh-keygen", "--rm"] : [])];
  let network: unknown;
  command.action(() => {
    network = command.opts<{ readonly network?: unknown }>().network;
  });
  await command.parseAsync([...words, "debian"], { from: "user" });
  expect(network).toEqual(["isolated", "lan"]);
});

test("NAME:PATH is in a VM, all else is here", () => {
  expect(readPlaces(["a:b", "/x:y"]).places).toEqual([
    { vm: "a", path: "b" },
    { vm: undefined, path: "/x:y" },
  ]);
  expect(readPlaces(["-f", "p/s/web:/srv"])).toEqual({
    names: ["p/s/web"],
    places: [
      { vm: undefined, path: "./-f" },
      { vm: "p/s/web", path: "/srv" },
    ],
  });
  expect(() => readPlaces(["web:/a", "web:/b"])).toThrow("same VM");
});

test("a suite is made from packages, a number is a tag", () => {
  expect(["debian", "debian:trixie", "debian:12", "x/debian"].map(debianSuite)).toEqual([
    ...["bookworm", "trixie", undefined, undefined],
  ]);
});

test("the command's own VM is meant before a stack's; a stack's by as much of its path as is needed", () => {
  const vm = (id: string, project: string, stack: string): FoundVM => ({
    id,
    record: { owner: { project, stack, resource: "web" } } as FoundVM["record"],
  });
  const [own, one, other] = [vm("web-1", "", ""), vm("web-2", "p", "dev"), vm("web-3", "p", "prod")] as const;
  expect(matching("web", [one, own, other])).toEqual([own]);
  expect(matching("web", [one, other])).toEqual([one, other]);
  expect(matching("prod/web", [one, own, other])).toEqual([other]);
  expect(matching("p/dev/web", [one, own, other])).toEqual([one]);
  expect(matching("web-3", [one, own, other])).toEqual([other]);
});

test("versions are compared by number, packages are those of the distribution", () => {
  expect([isOlder("7.2.22", "7.2"), isOlder("22.9", "22.12"), isOlder("10", "9.9")]).toEqual([false, true, false]);
  const mint = readDistribution('ID=linuxmint\nID_LIKE="ubuntu debian"\nPRETTY_NAME="Linux Mint 22"\n');
  expect(mint).toEqual({ family: "debian", name: "Linux Mint 22" });
  const suse = readDistribution('ID="opensuse-leap"\nID_LIKE="suse opensuse"\n');
  expect(installCommand(suse, ["podman"])).toMatch(/zypper install podman$/);
  expect(installCommand(readDistribution(""), ["podman"])).toMatch(/package manager: podman$/);
});
