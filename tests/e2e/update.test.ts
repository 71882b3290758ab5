import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { KEY_EXCHANGES } from "../../provider/ssh/key-exchange";
import { MAIN } from "../support/command";
import { eventually } from "../support/eventually";
import { hasSsh } from "../support/greeting";
import { childrenOf } from "../support/proc";
import { Program } from "../support/program";
import { KeyWatch } from "../support/secrets";

// The life of one VM from `up` to `up`, in the order of the tests: each goes on from where the last one ended.

interface Outputs {
  readonly id: string;
  readonly connection: {
    readonly user: string;
    readonly port: number;
    readonly hostKey: string;
    readonly privateKey: string;
  };
  readonly sessionLog: string;
  readonly ports: readonly { readonly guest: number; readonly host: number }[];
  readonly report: string;
}

const BOOT_ID = "cat /proc/sys/kernel/random/boot_id";
const SITE = "hello from the host\n";

let program: Program;
let first: Outputs;
let bootId: string;

beforeAll(async () => {
  program = await Program.open("update");
  for (const name of ["site", "work"]) mkdirSync(join(program.folder, name));
  writeFileSync(join(program.folder, "site", "index.html"), SITE);
  for (const name of ["one", "two", "ann", "bob", "cat", "dan"])
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", join(program.home, name)]);
});
afterAll(async () => {
  await program[Symbol.asyncDispose]();
});

const publicKey = (name: string) => readFileSync(join(program.home, `${name}.pub`), "utf8").trim();

/** In a VM that may reach out: to its own SSH server, by way of its network's gateway. */
const REACHES_OUT = "timeout 15 bash -c 'head -c 8 </dev/tcp/10.53.0.2/2222'";

/** Prints, one a line, what a guest is by what it was declared to be. */
const REPORT = `
hostname
. /etc/environment; echo "$GREETING"
id -un bob && sudo -u bob id -Gn
touch /srv/site/new 2>&1 | grep -o 'Read-only file system'
sudo -u ann touch /srv/work/from-ann && stat -c '%U %a' /srv/work/from-ann
df --output=size -BM / | tail -n 1 | grep -o '[0-9]*'
${REACHES_OUT} || echo nothing gets out
/usr/lib/mayfly/bin/httpd -p 8080 -h /srv/site && echo serving
`;

/** The program, with what the tests change of it. */
async function declare(
  vm: Record<string, unknown>,
  { rotation = "1", report = REPORT, network = "isolated" } = {},
): Promise<void> {
  const fields = {
    ...{ cpus: 1, disk: "1GiB", network, hostname: "web-one", environment: { GREETING: "good day" } },
    mounts: [
      { source: "./site", target: "/srv/site", readOnly: true },
      { source: "./work", target: "/srv/work", owner: "ann" },
    ],
    ports: [{ guest: 8_080 }],
    ...vm,
  };
  await program.write(`
const image = new mayfly.Image("debian", { debian: {} });
const key = new mayfly.SshKey("key", { keepers: { rotation: "${rotation}" } });
const vm = new mayfly.VM("web", { image, sshKey: key, ...${JSON.stringify(fields)} });
const report = new mayfly.SshCommand("report", { vm, create: ${JSON.stringify(report)}, logging: "none" });
exports.id = vm.id;
exports.connection = vm.connection;
exports.ports = vm.publishedPorts;
exports.sessionLog = vm.sessionLog;
exports.report = report.stdout;
`);
}

const ANN = { name: "ann", groups: ["audio"] };
const users = (...names: string[]) => [
  ANN,
  ...names.map((name) => ({ name, sudo: true, groups: ["video"], authorizedKeys: [publicKey(name)] })),
];

/** Whether a key opens the VM, by OpenSSH's own client with the host key pinned; what the command printed, or why not. */
async function login(user: string, keyFile: string, command = "true"): Promise<string> {
  const { connection } = first;
  writeFileSync(join(program.home, "known_hosts"), `vm ${connection.hostKey}\n`);
  // By the cheapest exchange of keys for an emulated CPU, as in our own configurations.
  const options = {
    KexAlgorithms: KEY_EXCHANGES[0],
    UserKnownHostsFile: `"${join(program.home, "known_hosts")}"`,
    HostKeyAlias: "vm",
  };
  const always = { BatchMode: "yes", IdentitiesOnly: "yes", IdentityAgent: "none", ConnectTimeout: "20" };
  const args = Object.entries({ ...options, ...always }).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
  const target = ["-p", String(connection.port), "-i", join(program.home, keyFile), `${user}@127.0.0.1`];
  return program
    .run("ssh", "-F", "none", ...args, ...target, command)
    .catch((error: unknown) => /Permission denied/.exec(String(error))?.[0] ?? Promise.reject(error as Error));
}

interface Record_ {
  readonly qemu?: { readonly pid: number };
  readonly madeBy: { readonly pid: number };
  readonly expiry?: { readonly pid: number };
}

/** The records of the program's machines, by id. */
function records(): Map<string, Record_> {
  const folder = join(program.data, "records", "machines");
  const files = readdirSync(folder).filter((name) => name.endsWith(".json"));
  return new Map(
    files.map((name) => [name.slice(0, -5), JSON.parse(readFileSync(join(folder, name), "utf8")) as Record_]),
  );
}

test("up makes the VM as it is declared", async () => {
  await declare({ users: users("bob"), authorizedKeys: [publicKey("one")] });
  using keys = new KeyWatch();
  const { steps } = await program.up();
  expect(steps).toEqual(["debian: create", "key: create", "report: create", "web: create"]);
  expect([...keys.found]).toEqual([]); // in the arguments or the environment of anything that runs here
  first = await program.outputs<Outputs>();
  const lines = first.report.split("\n");
  expect(lines).toEqual([
    ...["web-one", "good day", "bob", "bob video", "Read-only file system", "ann 644"],
    ...[expect.stringMatching(/^9\d\d$|^10\d\d$/), "nothing gets out", "serving"],
  ]);
  bootId = await login("root", "one", BOOT_ID);
});

test("what a mount shares belongs to the same owner on both sides, and a port leads in", async () => {
  const [port] = first.ports;
  expect(port).toMatchObject({ guest: 8_080 });
  const page = await fetch(`http://127.0.0.1:${String(port?.host)}/index.html`);
  expect(await page.text()).toBe(SITE);
  expect(readdirSync(join(program.folder, "work"))).toEqual(["from-ann"]);
  expect(readdirSync(join(program.folder, "site"))).toEqual(["index.html"]);
});

const mayfly = async (...words: string[]) => program.run(process.execPath, MAIN, ...words);

test("the command reaches the stack's VM by its name, and leaves it as its state says it is", async () => {
  expect(await mayfly("ssh", "web", "hostname")).toBe("web-one");
  for (const words of [["stop"], ["start"], ["key", "rotate"]])
    await expect(mayfly(...words, "web")).rejects.toThrow(/web belongs to the stack \S+, and can't be/);
});

test("other keys, users and lifetime are applied to the running VM", async () => {
  writeFileSync(join(program.home, "generated"), first.connection.privateKey, { mode: 0o600 });
  await declare({ users: users("cat", "dan"), authorizedKeys: [publicKey("two")], expiresAfter: "1h" });
  expect((await program.up()).steps).toEqual(["web: update"]);
  expect(await login("root", "two", BOOT_ID)).toBe(bootId);
  expect(await login("cat", "cat", "sudo id -un; id -Gn")).toBe("root\ncat video");
  expect(await login("root", "one")).toBe("Permission denied");
  expect(await login("bob", "bob")).toBe("Permission denied");
  expect(await login("root", "generated")).toBe("");
  expect((await program.pulumi("preview")).steps).toEqual([]);
});

test("they are still in force after the guest has restarted itself", async () => {
  expect(await login("root", "generated", "touch /root/kept; ls -dn /home/cat | cut -d' ' -f3")).toBe("1002"); // bob had 1001
  const [{ listen }] = JSON.parse(await mayfly("forward", "-d", "--json", "web", "22")) as [{ listen: string }];
  await login("root", "generated", "reboot").catch(() => undefined); // its session may end before it does
  // Its door opens early in a boot, and once more shuts for ordinary users (pam_nologin(8)) until the boot is over.
  const restarted = async () => {
    const seen = await login("root", "two", `systemctl is-system-running --wait; ${BOOT_ID}`).catch(() => "");
    const [state, id] = seen.split("\n");
    return state === "running" && id !== bootId;
  };
  await eventually("the guest is back", 120, restarted);
  await eventually("the forward leads into it", 60, async () => hasSsh(listen));
  await mayfly("forward", "--stop", "web");
  bootId = await login("root", "two", BOOT_ID);
  expect(await login("cat", "cat", "id -un; sudo ls /root/kept")).toBe("cat\n/root/kept");
  expect(await login("root", "one")).toBe("Permission denied");
  expect((await program.pulumi("preview")).steps).toEqual([]);
});

test("another sshKey too, and the old one is refused", async () => {
  await declare({ users: users("cat", "dan"), authorizedKeys: [publicKey("two")] }, { rotation: "2" });
  const { steps } = await program.up();
  expect(steps).toContain("web: update");
  expect(steps.filter((step) => !step.startsWith("key: "))).toEqual(["web: update"]);
  const { connection, id } = await program.outputs<Outputs>();
  expect(id).toBe(first.id);
  expect(connection.privateKey).not.toBe(first.connection.privateKey);
  writeFileSync(join(program.home, "rotated"), connection.privateKey, { mode: 0o600 });
  expect(await login("root", "rotated", BOOT_ID)).toBe(bootId);
  expect(await login("root", "generated")).toBe("Permission denied");
  expect([...records().values()].map(({ expiry }) => expiry)).toEqual([undefined]);
});

test("root's door is closed on the running VM, and its open sessions end; users go in and out", async () => {
  const open = login("root", "rotated", "echo open; exec sleep 600").catch((error: unknown) => String(error));
  const rotation = { rotation: "2" };
  await declare({ users: users("cat", "dan"), rootLogin: false }, rotation);
  expect((await program.upAtOnce()).steps).toEqual(["web: update"]);
  expect(await open).toMatch(/^open|closed|exit code 255/);
  for (const key of ["rotated", "two", "one", "cat"]) expect(await login("root", key)).toBe("Permission denied");
  const { connection } = await program.outputs<Outputs>();
  expect(connection.user).toBe("ann");
  expect(await login("ann", "rotated", `id -un; ${BOOT_ID}; sudo -n true 2>&1 | head -c 4`)).toBe(
    `ann\n${bootId}\nsudo`,
  );
  expect((await program.pulumi("preview")).steps).toEqual([]);

  // Over the channel of the guest agent: nobody of ours could log in to do it.
  await declare({ users: users("dan"), rootLogin: false }, rotation);
  expect((await program.upAtOnce()).steps).toEqual(["web: update"]);
  expect(await login("cat", "cat")).toBe("Permission denied");
  await declare({ users: users("dan"), authorizedKeys: [publicKey("two")] }, rotation);
  expect((await program.upAtOnce()).steps).toEqual(["web: update"]);
  expect(await login("root", "two", BOOT_ID)).toBe(bootId);
});

test("the sessions of all that are in the VM's log, without what they ran", async () => {
  const { sessionLog } = await program.outputs<Outputs>();
  const text = readFileSync(sessionLog, "utf8");
  const lines = text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const of = (event: string) => lines.filter((line) => line["event"] === event);
  expect(new Set(of("connected").map(({ to }) => String(to).split("@")[0]))).toEqual(new Set(["root", "ann"]));
  expect(new Set(of("connected").map(({ key }) => key)).size).toBe(2); // before the rotation, and after
  expect(of("began").map(({ resource }) => resource)).toContain("report");
  for (const line of of("ended"))
    expect(line).toMatchObject({ bytesSent: expect.any(Number), bytesReceived: expect.any(Number) });
  expect(of("disconnected")).toHaveLength(of("connected").length); // each `up` has ended, and says so
  expect(text).not.toContain("GREETING");
});

test("refresh notices a VM that died, and removes nothing; destroy does", async () => {
  const [[id, record] = ["", undefined]] = records();
  process.kill(record?.qemu?.pid ?? 0, "SIGKILL");
  const { text } = await program.pulumi("refresh", "--yes"); // looks for its preview, too
  expect(text).toMatch(/- 1 deleted/); // what ran on it
  expect(text).toMatch(/~ 1 updated/);
  expect(await program.leftovers()).toEqual(
    expect.arrayContaining([`container mayfly-${id}`, `machines/${id}`, `records/machines/${id}.json`]),
  );
  expect((await program.pulumi("preview")).steps).toEqual([
    ...["report: create", "web: create-replacement", "web: delete-replaced", "web: replace"],
  ]);
  await program.pulumi("destroy", "--yes", "--skip-preview");
  expect(await program.leftovers()).toEqual([]);
});

/** The program of the later tests: a smaller one, whose guest may reach out. */
const LATER = { rotation: "2", network: "user" };

test("what a crash of everything left behind is removed by the next up", async () => {
  await declare({ mounts: [], disk: undefined }, { report: BOOT_ID, ...LATER });
  const crash = new AbortController();
  const crashed = program.try(["up", "--yes", "--skip-preview"], { killSignal: crash.signal });
  const webs = () => [...records()].filter(([id]) => id.startsWith("web-")); // not a template that is made before it
  await eventually("qemu runs", 300, () => webs().some(([, { qemu }]) => qemu !== undefined));
  const [[left, record] = ["", undefined]] = webs();
  process.kill(record?.madeBy.pid ?? 0, "SIGKILL");
  crash.abort();
  expect(await crashed).toMatchObject({ failed: true });
  expect(await program.leftovers()).toContain(`container mayfly-${left}`);

  await program.pulumi("cancel", "--yes"); // the file backend's lock
  const { text, steps } = await program.upAtOnce();
  expect(text).toContain(`removing ${left}: the process that made it died before it was finished`);
  expect(steps).toEqual(["report: create", "web: create"]);
  first = await program.outputs<Outputs>();
  expect(await program.leftovers()).toEqual([
    ...[`container mayfly-${first.id}`, `machines/${first.id}`, `records/machines/${first.id}.json`],
  ]);
});

test("a VM ends at its time", async () => {
  await declare({ mounts: [], disk: undefined, expiresAfter: "2s" }, { report: BOOT_ID, ...LATER });
  expect((await program.upAtOnce()).steps).toEqual(["web: update"]);
  await eventually("nothing is left of it", 30, async () => (await program.leftovers()).length === 0);
});

test("the next up makes it anew", async () => {
  await declare({ mounts: [], disk: undefined, expiresAfter: "1h" }, { report: REACHES_OUT, ...LATER });
  const { steps } = await program.up();
  expect(steps.filter((step) => step.startsWith("web"))).toEqual([
    "web: create-replacement",
    "web: delete-replaced",
    "web: replace",
  ]);
  const { id, report } = await program.outputs<Outputs>();
  expect(id).not.toBe(first.id);
  expect(report).toBe("SSH-2.0-"); // the control for "nothing gets out" above
});

test("destroy leaves nothing, not even the process that waits for the VM's end", async () => {
  const [record] = records().values();
  const sleeper = childrenOf(record?.expiry?.pid ?? 0);
  expect(sleeper).toHaveLength(1);
  await program.pulumi("destroy", "--yes", "--skip-preview");
  expect(await program.leftovers()).toEqual([]);
  await eventually("it is gone", 5, () =>
    [record?.expiry?.pid ?? 0, ...sleeper].every((pid) => !existsSync(`/proc/${String(pid)}`)),
  );
});
