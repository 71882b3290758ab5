import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { MayflyError } from "../../../provider/errors";
import { openPaths } from "../../../provider/host/paths";
import {
  findContainerProgram,
  findProgram,
  needProgram,
  networkMode,
  openFilesToTry,
  Podman,
} from "../../../provider/host/podman";
import { checkIds, explainPodman } from "../../../provider/host/podman-trouble";
import { fakePodman } from "../../support/fake-podman";

const PATH = process.env["PATH"];
let folder = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mayfly podman "));
});

afterEach(() => {
  process.env["PATH"] = PATH;
  rmSync(folder, { recursive: true });
});

/** Leaves nothing in PATH but these programs, which are the host's own. */
function keepOnly(...names: string[]): void {
  for (const name of names) symlinkSync(findProgram(name) ?? `/missing/${name}`, join(folder, name));
  process.env["PATH"] = folder;
}

const failure = async (work: Promise<unknown>): Promise<MayflyError> =>
  work.then(
    () => Promise.reject(new Error("nothing failed")),
    (error: unknown) => error as MayflyError,
  );

const prove = async () => failure(new Podman(openPaths({ MAYFLY_HOME: folder })).prove(AbortSignal.timeout(20_000)));

test("no podman", async () => {
  keepOnly();
  const error = await prove();
  expect(error.message).toBe(
    "the program podman is not installed on this host\n" +
      `searched in PATH=${folder}\n` +
      "To fix: sudo apt-get install podman   (or your distribution's package that holds podman)" +
      "\nMore on this: TOOL_MISSING in docs/errors.md of pulumi-mayfly",
  );
  expect(error.code).toBe("TOOL_MISSING");
});

test("no slirp4netns: podman would give root a bridge to the host and to all other containers", async () => {
  keepOnly("podman", "conmon", "runc", "newuidmap", "newgidmap");
  const error = await prove();
  expect([error.code, error.remedy]).toEqual(["TOOL_MISSING", expect.stringContaining("apt-get install slirp4netns")]);
});

test("no qemu", () => {
  keepOnly();
  expect(() => {
    needProgram("qemu-system-x86_64");
  }).toThrow("sudo apt-get install qemu-system-x86 ");
});

test("a container's program is what a link of the user's leads to", () => {
  keepOnly("setpriv");
  expect(findProgram("setpriv")).toBe(join(folder, "setpriv"));
  expect(findContainerProgram("setpriv")).toMatch(/^\/usr\/.*setpriv$/);
});

test("a container's program is one below /usr, also where PATH has another one before it", () => {
  const own = join(folder, "setpriv");
  copyFileSync(findProgram("setpriv") ?? "", own);
  process.env["PATH"] = [folder, PATH].join(delimiter);
  expect(findProgram("setpriv")).toBe(own);
  expect(findContainerProgram("setpriv")).toMatch(/^\/usr\//);
});

test.each([
  [{ rootless: false, podman: "4.3.1" }, ["slirp4netns", "pasta"], /^slirp4netns:/],
  [{ rootless: true, podman: "5.4.2" }, ["slirp4netns", "pasta"], /^slirp4netns:/],
  [{ rootless: true, podman: "5.4.2" }, ["pasta"], /^pasta:/],
  [{ rootless: true, podman: "6.0.0" }, ["slirp4netns", "pasta"], /^pasta:/],
  [{ rootless: true, podman: "10.1.0-rc1" }, ["pasta"], /^pasta:/],
  [{ rootless: true, podman: "6.0.0" }, ["slirp4netns"], /the program pasta is not installed/],
  [{ rootless: false, podman: "5.4.2" }, ["pasta"], /the program slirp4netns is not installed/],
  [{ rootless: false, podman: "6.0.0" }, ["slirp4netns", "pasta"], /work as an ordinary user/],
])("the network of a podman that is %j, with %p", (host, installed, expected) => {
  const mode = () => networkMode(host, (name) => installed.includes(name));
  if (expected.source.startsWith("^")) expect(mode()).toMatch(expected);
  else expect(mode).toThrow(expected);
});

test.each([
  ["20000", [20_000, 4_096]],
  ["unlimited", [1_048_576, 4_096]],
  ["4096", [4_096]],
])("where this process may have %s files open, containers are tried with %j", (hard, expected) => {
  const line = (label: string, value: string) =>
    `${label.padEnd(26)}${"1024".padEnd(21)}${value.padEnd(21)}files     \n`;
  expect(openFilesToTry(line("Max processes", "7") + line("Max open files", hard))).toEqual(expected);
});

test("a podman that does not answer is told of as such, not as an operation that was aborted", async () => {
  fakePodman(folder, "exec sleep 60");
  process.env["PATH"] = [folder, PATH].join(delimiter);
  const podman = new Podman(openPaths({ MAYFLY_HOME: join(folder, "home") }), 500);
  const error = await failure(podman.prove(AbortSignal.timeout(20_000)));
  expect([error.code, error.evidence]).toEqual(["PODMAN_UNUSABLE", "podman has not answered within 0.5 s"]);
  const own = await failure(podman.prove(AbortSignal.abort(new Error("the caller's"))));
  expect(own.message).toBe("the caller's");
});

test.each([
  [["memory", "pids"], true],
  [["cpuset", "cpu", "io", "memory", "pids"], true],
  [["cpu", "memory"], false],
])("where containers can be limited by %p, VMs are: %p", async (controllers, limits) => {
  fakePodman(folder, ":", controllers);
  process.env["PATH"] = [folder, PATH].join(delimiter);
  const podman = new Podman(openPaths({ MAYFLY_HOME: join(folder, "home") }));
  expect(await podman.prove(AbortSignal.timeout(20_000))).toMatchObject({ limits });
});

test("containers with mapped user ids find their root open whatever the umask is, also one that a former version closed", async () => {
  fakePodman(folder, ":");
  process.env["PATH"] = [folder, PATH].join(delimiter);
  const paths = openPaths({ MAYFLY_HOME: join(folder, "home") });
  const root = paths.containerRoot;
  const closed = () =>
    readdirSync(root, { withFileTypes: true, recursive: true })
      .filter((entry) => !entry.isSymbolicLink())
      .filter((entry) => {
        const open = entry.isDirectory() ? 0o755 : 0o644;
        return (statSync(join(entry.parentPath, entry.name)).mode & open) !== open;
      })
      .map(({ name }) => name);
  const before = process.umask(0o077);
  try {
    await new Podman(paths).prove(AbortSignal.timeout(20_000));
    expect([readdirSync(root).includes("machine"), closed()]).toEqual([true, []]);
    for (const name of ["machine", "run/.containerenv", "template/state"]) chmodSync(join(root, name), 0o700);
    await new Podman(paths).prove(AbortSignal.timeout(20_000)); // with a verdict of this boot
    expect(closed()).toEqual([]);
  } finally {
    process.umask(before);
  }
});

test("a data folder that was moved, or has lost its containers.conf, gets another one", async () => {
  // It starts no container but with limits of our own.
  fakePodman(
    folder,
    '[ "$1" != run ] || [ -e "$CONTAINERS_CONF" ] || { echo "rlimit: operation not permitted" >&2; exit 126; }',
  );
  process.env["PATH"] = [folder, PATH].join(delimiter);
  const [first, second] = ["first", "second"].map((name) => join(folder, name)) as [string, string];
  const proved = (home: string) => new Podman(openPaths({ MAYFLY_HOME: home })).prove(AbortSignal.timeout(20_000));
  const conf = (home: string) => ({ containersConf: join(home, "containers.conf") });
  expect(await proved(first)).toMatchObject(conf(first));
  renameSync(first, second);
  expect(await proved(second)).toMatchObject(conf(second));
  rmSync(join(second, "containers.conf"));
  expect(await proved(second)).toMatchObject(conf(second));
  expect(existsSync(join(second, "containers.conf"))).toBe(true);
});

const enough = [{ size: 1 }, { size: 65_536 }];

test.each([
  ["no sub-ids at all", { uidmap: [{ size: 1 }], gidmap: enough }, "/etc/subuid gives this user's containers 1 ids"],
  ["no group sub-ids", { uidmap: enough, gidmap: null }, "/etc/subgid gives this user's containers 0 ids"],
])("%s", (_, mappings, evidence) => {
  expect(() => {
    checkIds(mappings);
  }).toThrow(expect.objectContaining({ code: "PODMAN_UNUSABLE", message: expect.stringContaining(evidence) }));
  expect(() => {
    checkIds(mappings);
  }).toThrow("sudo usermod --add-subuids");
});

test("enough sub-ids", () => {
  checkIds({ uidmap: enough, gidmap: enough });
});

// In podman's words; all but the last two as 4.3.1 said them on a host that was made so.
test.each([
  ['Error: /usr/bin/slirp4netns failed: "open(\\"/dev/net/tun\\"): Permission denied\\nchild failed(1)', "chmod 666"],
  ['Error: /usr/bin/slirp4netns failed: "open(\\"/dev/net/tun\\"): No such file or directory\\n"', "modprobe tun"],
  [
    'command required for rootless mode with multiple IDs: exec: "newuidmap": executable file not found in $PATH',
    "uidmap",
  ],
  ["the path in $XDG_RUNTIME_DIR must be writable by the user", "enable-linger"],
  ['Error: runc: time="2026-11-24T07:50:09Z" level=error msg="mkdir /run/user/0: permission denied"', "enable-linger"],
  ['database graph driver "vfs" does not match our graph driver "overlay": mismatch', "podman system reset"],
  [
    "potentially insufficient UIDs or GIDs available in user namespace (requested 0:42 for /etc/shadow)",
    "--add-subuids",
  ],
])("a host that is not ready: %s", (evidence, remedy) => {
  const error = explainPodman(new MayflyError("TOOL_FAILED", "podman failed", { evidence, remedy: "" })) as MayflyError;
  expect(error).toMatchObject({ code: "PODMAN_UNUSABLE", evidence, remedy: expect.stringContaining(remedy) });
});

test("a failure about something else stays what it is", () => {
  const error = new MayflyError("TOOL_FAILED", "podman failed", { evidence: "Error: no such container x", remedy: "" });
  expect(explainPodman(error)).toBe(error);
});
