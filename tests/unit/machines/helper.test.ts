import { createHash, randomBytes } from "node:crypto";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { connect, createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { ARCHITECTURES } from "../../../provider/architectures";
import { identityTar } from "../../../provider/machines/identity";
import type { Access, Identity } from "../../../provider/machines/spec";
import { eventually } from "../../support/eventually";
import { HELPER, HELPER_FOLDER, PAM_AHEAD_FOLDER } from "../../support/helper";

const MIB = 1_048_576;

/** A root filesystem as prepare.sh leaves it. */
let root: string;
const guest = (...path: string[]) => join(root, ...path);
const textOf = (...path: string[]) => readFileSync(guest(...path), "utf8");

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "mayfly-helper-"));
  for (const folder of ["etc/mayfly", "var/lib/dbus", "proc", "dev", "run"])
    mkdirSync(guest(folder), { recursive: true });
  writeFileSync(guest("etc/mayfly/hosts.image"), "::1 ip6-localhost\n");
  writeFileSync(guest("etc/mayfly/environment.image"), "LANG=C"); // without the line's end
  writeFileSync(guest("var/lib/dbus/machine-id"), "old\n");
  cpSync(HELPER, guest("helper"));
});
afterEach(() => {
  execFileSync("rm", ["-r", root]); // Node's removal knows whole paths only, and goes no deeper than its stack
});

const identity: Identity = {
  ...{ hostname: "web", machineId: "0123456789abcdef0123456789abcdef", mac: "52:54:00:12:34:56" },
  ...{ hostPrivateKey: "the host key\n", hostPublicKey: "ssh-ed25519 AAAA", environment: { GREETING: "good day" } },
};
const key = "ssh-ed25519 AAAAC3Nza me";
const access: Access = { rootKeys: [key], users: [] };

/** With a kernel's host name to change, a root of its own, and no way out. */
const INSIDE = ["--uts", "--net", "--mount", "--map-root-user", "sh", "-euc"];
const ENTER = 'mount --rbind /dev "$1/dev"; mount --rbind /proc "$1/proc"; cd "$1"; exec chroot "$@"';

test.each([HELPER_FOLDER, PAM_AHEAD_FOLDER])("what is committed was built from the committed sources: %s", (folder) => {
  const digest = createHash("sha256");
  for (const name of readdirSync(folder)
    .filter((file) => /\.[ch]$/.test(file))
    .sort())
    digest.update(readFileSync(join(folder, name)));
  const source = `source-sha256:${digest.digest("hex")}`;
  for (const { kernelName } of Object.values(ARCHITECTURES))
    expect(readFileSync(join(folder, `${basename(folder)}-${kernelName}`), "latin1")).toContain(source);
});

test("become says that it waits, takes a whole request, and not less than a whole seed", () => {
  const become = (input: string) => {
    const stdio = ["pipe", "pipe", "pipe", "pipe"] as const; // the last one leads to the host
    const { status, output } = spawnSync(HELPER, ["become"], { input, stdio: [...stdio] });
    const [, stdout, stderr, toHost] = output.map(String);
    expect(toHost).toBe("waiting\n");
    return [status, stdout, stderr];
  };
  expect(become("identity 0a1b 512\nten bytes.")).toEqual([1, "0a1b", "helper: read\n"]);
  expect(become("identity 0a1b 99999999\n")).toEqual([1, "0a1b", "helper: the identity is too large\n"]);
  expect(become("poweroff - 0\n")).toEqual([1, "", "helper: the host does not begin with an identity\n"]);
  expect(become("identity 0a1b 5")).toEqual([1, "", "helper: read\n"]);
  expect(become(`identity ${"x".repeat(99)}`)[0]).toBe(1);
});

test("hash prints a file's XXH64, or that of its beginning, or of one that still grows", async () => {
  const { default: xxhash } = await import("xxhash-wasm");
  const hasher = await xxhash();
  const bytes = randomBytes(3_000_003);
  const path = join(root, "file");
  writeFileSync(path, bytes);
  const hashOf = (size: number) => `${hasher.h64Raw(bytes.subarray(0, size)).toString(16).padStart(16, "0")}\n`;
  for (const size of [0, 1, 7, 31, 32, 33, 65_535, 65_536, 65_537, bytes.length])
    expect(execFileSync(HELPER, ["hash", path, String(size)]).toString()).toBe(hashOf(size));
  expect(execFileSync(HELPER, ["hash", path, "4000000"]).toString()).toBe(hashOf(bytes.length));
  expect(execFileSync(HELPER, ["hash", path], { input: "" }).toString()).toBe(hashOf(bytes.length));

  writeFileSync(path, bytes.subarray(0, 2 * MIB));
  const growing = spawn(HELPER, ["hash", path], { stdio: ["pipe", "pipe", "inherit"], timeout: 20_000 });
  growing.stdin.write("0 1\n1 1\n");
  const open = `/proc/${String(growing.pid)}/fdinfo/3`;
  const position = () => existsSync(open) && /^pos:\t(\d+)/.exec(readFileSync(open, "latin1"))?.[1];
  await eventually("it has read what there is", 10, () => position() === String(2 * MIB));
  writeFileSync(path, bytes);
  growing.stdin.end("2 1\n");
  const lines: string[] = [];
  for await (const line of createInterface(growing.stdout)) lines.push(`${line}\n`);
  expect(lines).toEqual([hashOf(bytes.length)]);

  const { status, stderr } = spawnSync(HELPER, ["hash", join(root, "none")]);
  expect([status, stderr.toString()]).toEqual([1, `helper: ${join(root, "none")}\n`]);
});

test("list says that it has not listed all where there is a path that is longer than any can be", () => {
  const build = "for (1..18) { mkdir $ARGV[0] or die; chdir $ARGV[0] or die }"; // step by step: no call takes such a path
  execFileSync("perl", ["-e", build, "x".repeat(250)], { cwd: guest("run") });
  const { status, stdout } = spawnSync(HELPER, ["list"], { cwd: root });
  expect(status).toBe(4);
  expect(stdout.toString()).toContain("\0etc/mayfly/hosts.image\0");
  expect(spawnSync(HELPER, ["list"], { cwd: guest("etc") }).status).toBe(0);
});

test("list goes as deep as a path can; where it may have no more folders open it says that it has not listed all", () => {
  const levels = 2_040; // of names of one letter: near the longest path that there is
  const build = `for (1..${String(levels)}) { mkdir "d" or die; chdir "d" or die }`;
  execFileSync("perl", ["-e", build], { cwd: guest("run") });
  const list = (limits: string) => {
    const how = ["-c", `ulimit ${limits} && exec "$0" list`, HELPER];
    const { status, stdout } = spawnSync("sh", how, { cwd: guest("run"), maxBuffer: 16 * MIB });
    const types = stdout
      .toString()
      .split("\0")
      .filter((_, index) => index % 6 === 0);
    return [status, types.filter((type) => type === "d").length, types.filter((type) => type === "u").length];
  };
  expect(list("-S -n 64")).toEqual([0, levels, 0]); // it has more
  const [status, seen = 0, unseen] = list("-n 64");
  expect([status, unseen]).toEqual([4, 1]);
  expect(seen).toBeGreaterThan(32);
  expect(seen).toBeLessThan(64);
});

const asRoot = process.getuid?.() === 0 ? test : test.skip;

asRoot(
  "identity puts the files of an identity into force; become, which also sets the clock, is for tests/e2e [host lacks: root's rights for a host name]",
  async () => {
    execFileSync("tar", ["-x", "-C", root], { input: await identityTar(identity, access, { mounts: [] }) });
    const { status, stderr } = spawnSync("unshare", [...INSIDE, ENTER, "sh", root, "/helper", "identity"]);
    expect([status, stderr.toString()]).toEqual([0, ""]);
    expectIdentity();
  },
);

test("knock sends a message with nothing in it to a socket of datagrams", async () => {
  const path = join(root, "socket");
  const RECEIVE = `use Socket; socket(my $s, PF_UNIX, SOCK_DGRAM, 0) or die; bind($s, sockaddr_un($ARGV[0])) or die;
    $| = 1; print "bound\n"; defined recv($s, my $message, 9, 0) or die; print length $message, "\n"`;
  const receiver = spawn("perl", ["-e", RECEIVE, path], { stdio: ["ignore", "pipe", "inherit"], timeout: 20_000 });
  const lines: string[] = [];
  for await (const line of createInterface(receiver.stdout)) {
    lines.push(line);
    if (line === "bound") execFileSync(HELPER, ["knock", path]);
  }
  expect(lines).toEqual(["bound", "0"]);
  const { status, stderr } = spawnSync(HELPER, ["knock", join(root, "none")]);
  expect([status, stderr.toString()]).toEqual([1, `helper: ${join(root, "none")}\n`]);
});

asRoot("as runs a program as a user, with the groups and none of root's [host lacks: root's rights]", () => {
  const run = (groups: string) =>
    execFileSync(HELPER, ["as", "1234", "1235", groups, "/bin/sh", "-c", "echo $(id -u) $(id -G) $0", "x"]).toString();
  expect([run("44,20"), run("-")]).toEqual(["1234 1235 20 44 x\n", "1234 1235 x\n"]);
  const ignored = `trap "" QUIT TERM; exec "$0" as 1 1 - /bin/grep SigIgn /proc/self/status`;
  expect(execFileSync("sh", ["-c", ignored, HELPER]).toString()).toMatch(/^SigIgn:\t0+$/m); // a background shell's are not passed on
  const { status, stderr } = spawnSync(HELPER, ["as", "1", "1", "-", "/no/such"]);
  expect([status, stderr.toString()]).toEqual([1, "helper: /no/such\n"]);
});

function expectIdentity(): void {
  expect(textOf("etc/hostname")).toBe("web\n");
  expect(textOf("etc/hosts")).toBe("127.0.0.1 localhost\n127.0.1.1 web\n::1 ip6-localhost\n");
  expect(textOf("etc/machine-id")).toBe(`${identity.machineId}\n`);
  expect(textOf("var/lib/dbus/machine-id")).toBe(`${identity.machineId}\n`);
  expect(textOf("etc/environment")).toBe('LANG=C\nGREETING="good day"\n');
}

test("words prints those that are in a file, each once, wherever the parts end in which it is read", () => {
  const file = join(root, "program");
  const words = (content: Buffer) => {
    writeFileSync(file, content);
    return execFileSync(HELPER, ["words", file, "hello", "world"], { encoding: "utf8" });
  };
  const PART = 65_536 + 128;
  for (const [size, at] of [
    ...[
      [20, 0],
      [20, 15],
      [PART, PART - 5],
      [PART + 2, PART - 3],
      [PART + 100, PART - 128],
      [200_000, 131_070],
    ],
  ] as const) {
    const content = Buffer.alloc(size);
    content.write("hello", at);
    expect([at, words(content)]).toEqual([at, "hello\n"]);
  }
  expect(words(Buffer.from("hello world, hello"))).toBe("hello\nworld\n");
  expect(words(Buffer.from("Hello wor"))).toBe("");
  expect(words(Buffer.alloc(0))).toBe("");
});

test("hears waits until somebody listens at the port, by IPv4 or by IPv6, and not longer than it was told", async () => {
  for (const host of ["127.0.0.1", "::1"]) {
    const server = createServer();
    const free = createServer().listen(0, host);
    await once(free, "listening");
    const { port } = free.address() as AddressInfo;
    free.close();
    await once(free, "close");
    const code = (seconds: string) => spawnSync(HELPER, ["hears", String(port), seconds]).status;
    expect(code("0")).toBe(1);
    const waits = spawn(HELPER, ["hears", String(port), "60"]);
    const ended = once(waits, "exit");
    server.listen(port, host);
    expect(await ended).toEqual([0, null]);
    // Not the other end of a connection, nor one that has another port in its address.
    const client = connect(port, host);
    await once(client, "connect");
    expect(spawnSync(HELPER, ["hears", String(client.localPort), "0"]).status).toBe(1);
    client.destroy();
    server.close();
  }
});
