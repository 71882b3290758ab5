import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { processesById, processesOf, self } from "../support/callers";
import { CommandHome, PATIENCE } from "../support/command";
import { eventually } from "../support/eventually";

// The command as a process, on real VMs of the default size, so that the run's shared template serves them.

let command: CommandHome;

beforeAll(async () => {
  command = await CommandHome.open();
});

afterAll(async () => {
  await command[Symbol.asyncDispose]();
});

// A test that is tried again finds nothing of its first try.
beforeEach(async () => {
  await command.run("rm", "--all", "--force");
});

const mayfly = async (...args: string[]) => command.run(...args);

const records = async () =>
  (await readdir(join(command.home, "data", "records", "machines")).catch(() => [])).join(" ");

interface Listed {
  readonly name: string;
  readonly id: string;
  readonly state: string;
  readonly expiresAt?: number;
}

interface Inspected {
  readonly id: string;
  readonly ssh: { readonly config: string; readonly port: number };
  readonly failedLogins: readonly object[];
}

const configOf = async (name: string) => (await mayfly("ssh-config", "--path", name)).out.trim();

const list = async () => JSON.parse((await mayfly("ls", "--json")).out) as Listed[];

test("a VM of the command's own: run, all that can be done with it, rm", async () => {
  const share = join(command.home, "share");
  await rm(share, { recursive: true, force: true }); // of a first try
  await mkdir(share);
  await writeFile(join(share, "file"), "from the host\n");
  const units = join(command.home, "units", "system");
  await mkdir(units, { recursive: true });
  await writeFile(join(units, "hello.service"), HELLO);
  execFileSync("truncate", ["-s", "8M", join(command.home, "data.img")]);
  execFileSync("qemu-img", ["create", "-q", "-f", "qcow2", join(command.home, "more.qcow2"), "16M"]);
  const label = `ci/job=${String(process.pid)}`;
  const made = await mayfly(
    ...["run", "-d", "--name", "dev", "--bind", "./share:/srv/share", "--port", "80", "--expires", "2h"],
    ...["--vcpus", "2", "--add-swap", "32M", "--label", label, "--systemd-units", "./units", "--bind-storage-ro"],
    ...["--mount-disk-file", "data.img:data", "--mount-disk-file", "more.qcow2:more"],
    ...["--log-dir", "console,journal=logs", "-e", "A=b c"],
  );
  expect(made).toMatchObject({ code: 0, out: "dev\n" });
  const [listed] = await list();
  expect(listed).toMatchObject({ name: "dev", state: "running", stack: "", cpus: 2, memoryMiB: 1_024 });
  expect(listed?.expiresAt).toBeGreaterThan(Date.now() / 1_000 + 3_600);
  expect((await mayfly("ls")).out).toMatch(
    /^NAME .*\ndev +running +debian-bookworm +\d+% of 2 +\d+MiB of 1GiB +\S+ \w+ ago +in 1 hour +\d+:80 +-\n$/,
  );
  expect(await mayfly("run", "-d", "--name", "dev")).toMatchObject({
    code: 1,
    out: "",
    err: expect.stringMatching(/there is a VM dev already/),
  });

  // What bcvk's options promise, as the guest sees it.
  const seen = await mayfly("exec", "dev", "--", "sh", "-c", SEEN);
  expect(seen.out.trim().split("\n")).toEqual([
    ...["8388608 0", "16777216 0", "32764", "active", "overlay-images", "ro", "b c"],
  ]);
  const filter = ["--filter", `label=${label}`, "--format", "{{.Names}}"];
  expect(execFileSync("podman", ["ps", ...filter]).toString()).toMatch(/^mayfly-dev-\w+\n$/);
  expect((await mayfly("ls", "--format", "{{.Name}}:{{.Labels}}")).out).toBe(`dev:${label}\n`);
  const logged = async (name: string, text: string) =>
    (await readFile(join(command.home, "logs", name), "utf8").catch(() => "")).includes(text);
  await eventually("the journal is in its folder", PATIENCE, async () => logged("journal.json", '"hello from a unit"'));
  expect((await mayfly("run", "-d", "--name", "dev", "--log-dir", "console,journal=logs")).code).toBe(1);
  expect(await logged("journal.json", '"hello from a unit"')).toBe(true); // it is dev's
  const [load] = JSON.parse((await mayfly("top", "--json")).out) as [{ name: string; usedMiB: number }];
  expect(load.name).toBe("dev");
  expect(load.usedMiB).toBeGreaterThan(10);

  // Words as they are; input, output, errors, exit code.
  const script = 'read line; echo "$1 $line"; echo "bad" >&2; exit 7';
  const { ended } = command.start(["exec", "dev", "--", "sh", "-c", script, "sh", "a  b"], "in\n");
  expect(await ended).toEqual({ code: 7, out: "a  b in\n", err: "bad\n" });
  expect(await mayfly("ssh", "dev", "cat", "/srv/share/file", "&&", "hostname")).toEqual({
    code: 0,
    out: "from the host\ndev\n",
    err: "",
  });

  // The image's own server takes with it what ours wants, too.
  expect(await mayfly("exec", "dev", "--", "sh", "-c", "systemctl start ssh; systemctl stop ssh")).toMatchObject({
    code: 0,
  });
  expect(await mayfly("exec", "dev", "echo", "still in")).toMatchObject({ code: 0, out: "still in\n" });

  expect(await mayfly("cp", "share/file", "dev:/root/copy")).toMatchObject({ code: 0 });
  expect(await mayfly("sync", "./share", "dev:/root/synced")).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^1 file to copy/),
  });
  expect(await mayfly("cp", "-r", "dev:/root/synced", "back")).toMatchObject({ code: 0 });
  expect(await readFile(join(command.home, "back", "file"), "utf8")).toBe("from the host\n");

  const watching = command.start(["sync", "--watch", "./share", "dev:/root/watched"]);
  await writeFile(join(share, "later"), "later\n");
  const isThere = async () => (await mayfly("exec", "dev", "cat", "/root/watched/later")).out === "later\n";
  await eventually("the change has come over", PATIENCE, isThere);
  watching.process.kill("SIGINT");
  expect((await watching.ended).code).toBe(0); // as it was meant to end

  // A clone of a template has a socket in its place, too; else nobody listens now.
  expect(await mayfly("exec", "dev", "--", "systemctl", "start", "ssh")).toMatchObject({ code: 0 });
  const { out: forwarded } = await mayfly("forward", "-d", "--json", "dev", "22");
  const [{ listen }] = JSON.parse(forwarded) as [{ listen: string }];
  const [, port = ""] = listen.split(":");
  expect((await mayfly("forward", "dev")).out).toBe(`${listen} -> dev 127.0.0.1:22\n`);
  expect(
    execFileSync("ssh-keyscan", ["-T", "60", "-p", port, "-t", "ed25519", "127.0.0.1"], { stdio: "pipe" }).toString(),
  ).toContain("ssh-ed25519");
  expect((await mayfly("forward", "--stop", "dev")).err).toBe("ended 1 of dev\n");

  const stranger = ["-F", await configOf("dev"), "-l", "stranger", "dev", "true"];
  expect(spawnSync("ssh", stranger, { stdio: "ignore" }).status).toBe(255);
  const inspected = await mayfly("inspect", "dev");
  const [{ ssh, id, failedLogins }] = JSON.parse(inspected.out) as [Inspected];
  expect(failedLogins).toEqual([{ user: "stranger", address: expect.any(String), count: 1, last: expect.any(String) }]);
  expect(inspected.out).not.toContain("PRIVATE KEY");
  expect(await configOf("dev")).toBe(ssh.config);
  expect(execFileSync("ssh", ["-F", ssh.config, "dev", "echo by hand"]).toString()).toBe("by hand\n");
  const sessions = await mayfly("logs", "--ssh", "dev");
  expect(sessions.err).toMatch(/^1 failed login since its boot: 1 of "stranger" from /);
  const lines = sessions.out
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const resources = ["mayfly exec", "mayfly ssh", "mayfly cp", "mayfly sync", "mayfly forward 22"];
  for (const resource of resources) {
    const began = lines.find((line) => line["event"] === "began" && line["resource"] === resource);
    const isItsEnd = (line: Record<string, unknown>) =>
      line["event"] === "ended" && ["connection", "session"].every((field) => line[field] === began?.[field]);
    expect([resource, lines.find(isItsEnd)]).toEqual([
      resource,
      expect.objectContaining({ source: "mayfly", bytesSent: expect.any(Number), bytesReceived: expect.any(Number) }),
    ]);
  }
  const [{ key } = { key: "" }] = lines.filter((line) => line["kind"] === "scp");
  expect(lines).toContainEqual(expect.objectContaining({ source: "guest", event: "accepted", user: "root", key }));
  expect((await mayfly("exec", "-v", "dev", "true")).err).toMatch(/^\+ ssh -F /m);
  expect(await mayfly("wait", "dev", "--timeout", "1s")).toMatchObject({ code: 124 });
  expect((await mayfly("prune", "--dry-run")).out).toBe("");

  const [oldKey, { out: publicKey }] = [
    await readFile(join(ssh.config, "..", "id"), "utf8"),
    await mayfly("key", "rotate", "dev"),
  ];
  expect(publicKey).toMatch(/^ssh-ed25519 AAAA/);
  await writeFile(join(command.home, "old"), oldKey, { mode: 0o600 });
  expect(execFileSync("ssh", ["-F", ssh.config, "dev", "cat /etc/mayfly/access/keys/root"]).toString()).toBe(publicKey);
  const byOldKey = ["-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "HostKeyAlias=dev"];
  const known = ["-o", `UserKnownHostsFile="${join(ssh.config, "..", "known_hosts")}"`, "-p", String(ssh.port)];
  expect(() =>
    execFileSync("ssh", [...byOldKey, ...known, "-i", join(command.home, "old"), "root@127.0.0.1", "true"], {
      stdio: "pipe",
    }),
  ).toThrow(/Permission denied/);

  const following = command.start(["logs", "-f", "--json", "dev"]);
  const console_ = command.terminal("console", "dev");
  await console_.shows(/connected to the console/);
  const shown = mayfly("exec", "dev", "--", "sh", "-c", "echo on the line >/dev/ttyS0");
  await console_.shows(/on the line/);
  console_.type("\u001d");
  expect(await console_.end()).toBe(0);
  expect((await shown).code).toBe(0);
  expect((await mayfly("logs", "dev")).out).toMatch(/on the line/);
  await eventually("the console is in its folder", PATIENCE, async () => logged("console.txt", "on the line"));

  const all = command.terminal("rm", "--all");
  await all.shows(/Remove dev\? \[y\/N\]/);
  all.type("n\r");
  expect(await all.end()).toBe(0);
  expect((await mayfly("rm", "--all")).code).toBe(2); // no terminal to ask on
  const waiting = mayfly("wait", "dev");
  expect(await mayfly("rm", "dev")).toEqual({ code: 0, out: "", err: "removed dev\n" });
  expect((await waiting).code).toBe(0);
  expect((await following.ended).out).toMatch(/^\{"time":"20[^"]+","text":"on the line"\}$/m);
  expect(await list()).toEqual([]);
  expect(await readdir(join(command.home, "data", "machines"))).not.toContain(id);
  await eventually("its logs' writers have ended", PATIENCE, () => !processes().includes(id));
  expect(await mayfly("exec", "dev", "true")).toMatchObject({
    code: 125,
    err: expect.stringMatching(/no VM dev\n {2}to fix: see: mayfly ls/),
  });
});

const HELLO = `[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=echo hello from a unit
[Install]
WantedBy=multi-user.target
`;

/** Prints disks, swap, the unit's state, the host's container storage, and a variable. */
const SEEN = `
for name in data more; do
  echo $(blockdev --getsize64 --getro /dev/disk/by-id/virtio-$name)
  echo mark | dd of=/dev/disk/by-id/virtio-$name conv=fsync status=none
done
sed -n 's/^SwapTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo
systemctl start hello && systemctl is-active hello
ls /mnt/hoststorage | grep overlay-images
findmnt --noheadings --output OPTIONS /mnt/hoststorage | cut -d, -f1
echo "$A"
`;

test("a session's VM: the command's exit code, and gone with it; also when the session is killed", async () => {
  // Its first command has both CPUs, although the guest has kept to one until the login. PAM's modules are loaded already where
  // logins are forked from. An emulated guest has loaded no ciphers by instructions.
  const inDoor = "grep -o pam_unix.so /proc/$(cat /etc/mayfly/sshd.pid)/maps | sort -u";
  const ciphers = "! grep -q 'QEMU TCG' /proc/cpuinfo || grep ^aesni_intel /proc/modules";
  const script = `cat /etc/hostname; nproc; ${inDoor}; echo [$LD_PRELOAD]; ${ciphers}; exit 3`;
  expect(await mayfly("run", "--rm", "--execute", script, "--name", "brief")).toMatchObject({
    code: 3,
    out: "brief\n2\npam_unix.so\n[]\n",
  });
  expect(await records()).not.toMatch(/brief/);

  const session = command.terminal("ssh", "--name", "sess", "debian");
  await session.shows(/root@sess/);
  session.type("tty; stty size; exit 5\r");
  expect(await session.end()).toBe(5);
  expect(session.text).toMatch(/\/dev\/pts\/\d/);
  expect(await records()).not.toMatch(/sess/);

  for (const moment of ["booting", "logged in"]) {
    const killed = command.terminal("ssh", "--name", "killed", "debian");
    await (moment === "booting"
      ? eventually("its record is there", PATIENCE, async () => (await records()).includes("killed"))
      : killed.shows(/root@killed/));
    const [pid = ""] = execFileSync("pgrep", ["--full", "^[^ ]*node .*main.js ssh --name killed"])
      .toString()
      .split("\n");
    process.kill(Number(pid), "SIGKILL");
    await eventually("the killed session's VM is gone", PATIENCE, async () => !(await records()).includes("killed"));
    await killed.end();
  }
  const left = () =>
    execFileSync("podman", ["ps", "--all", "--quiet", "--filter", "label=mayfly.resource=killed"]).toString();
  await eventually("its container is gone", PATIENCE, () => left() === "");
  await eventually(
    "its keeper has ended",
    PATIENCE,
    () => processesOf(self, command.home).length === 0 && !processes().includes("killed"),
  );
  expect(await readdir(join(command.home, "data", "sessions"))).toEqual([]);
});

const processes = () => execFileSync("ps", ["-eo", "args"]).toString();

test("a private network of the command's own, by name; it goes with its last VM", async () => {
  expect(
    await mayfly("run", "-d", "--name", "one", "--network", "lan:10.80.0.7", "--network", "isolated"),
  ).toMatchObject({ code: 0 });
  const isRouted = "cat /proc/sys/net/ipv6/conf/eth1/accept_ra"; // by whichever neighbour says that it is a router
  expect((await mayfly("exec", "one", "--", "sh", "-c", `${isRouted}; ip link set eth1 down`)).out).toBe("0\n");
  expect(await mayfly("diagnose", "one")).toMatchObject({
    code: 1,
    out: expect.stringMatching(/to fix: mayfly exec one -- ip link set eth1 up\n/),
  });
  expect(await mayfly("exec", "one", "--", "ip", "link", "set", "eth1", "up")).toMatchObject({ code: 0 });
  const ofSwitch = [...processesById(self, command.home)].filter(([, line]) => line.includes("switch.js"));
  expect(ofSwitch).toHaveLength(1);
  process.kill(ofSwitch[0]?.[0] ?? 0, "SIGKILL");
  expect(await mayfly("diagnose", "one")).toMatchObject({
    code: 1,
    out: expect.stringMatching(/to fix: mayfly start one\n/),
  });
  expect(await mayfly("start", "one")).toMatchObject({
    code: 0,
    err: expect.stringMatching(/^one runs; started the switch of lan-\w+\n$/),
  });
  expect(await mayfly("diagnose", "one")).toMatchObject({ code: 0 });
  expect(await mayfly("run", "--rm", "--network", "lan", "--execute", "getent hosts one")).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^10\.80\.0\.7 /),
  });
  expect((await mayfly("rm", "one")).err).toBe("removed one\nremoved the network lan, which no VM was in\n");
});
