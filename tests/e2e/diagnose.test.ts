import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import type { Socket } from "node:net";
import { join } from "node:path";
import { compose } from "../../provider/compose";
import type { Context } from "../../provider/context";
import type { BrokenRung, RungName } from "../../provider/diagnose/ladder";
import type { MayflyError } from "../../provider/errors";
import { openPaths } from "../../provider/host/paths";
import { connectConsole } from "../../provider/machines/console";
import { Qmp } from "../../provider/machines/qmp";
import { sshCommand } from "../../provider/resources/ssh-command";
import { endpointOfVM } from "../../provider/resources/vm-connection";
import { sshCommandSchema } from "../../provider/schema/ssh-command";
import { processesOf, self } from "../support/callers";
import { failureOf } from "../support/context";
import { eventually } from "../support/eventually";
import { makeHome } from "../support/home";
import { iptablesTar } from "../support/iptables";
import { shareMachineParts } from "../support/shared";

// Faults that are really there, in one VM, one after another: each is made by hand at the VM's console, found, and undone.
// Those that a VM does not survive come last.

const MAIN = join(__dirname, "..", "..", "sdk", "dist", "cli", "main.js");
const OWNER = { project: "", stack: "", resource: "tests" };
const DEADLINE_MS = 120_000;
const PATIENCE = 300; // seconds

let home: string;
let environment: NodeJS.ProcessEnv;
let rooms: ReturnType<typeof compose>;
let id: string;
let endpoint: NonNullable<Awaited<ReturnType<typeof endpointOfVM>>>;
let hands: Console;

beforeAll(async () => {
  home = makeHome("diagnose");
  const data = join(home, "data");
  await mkdir(data);
  execFileSync("chmod", ["711", home, data]); // as /var/lib/mayfly is
  await shareMachineParts(data);
  environment = { ...process.env, MAYFLY_HOME: data, NO_COLOR: "1" };
  rooms = compose(environment);
  expect(mayfly("run", "-d", "--name", "patient", "--cpus", "1")).toMatchObject({ status: 0 });
  [id = ""] = [...(await rooms.machines.list()).keys()];
  const way = await endpointOfVM(id, { ...rooms, owner: OWNER });
  if (way === undefined) throw new Error("nobody knows the way to the VM");
  endpoint = way;
  const signal = AbortSignal.timeout(DEADLINE_MS);
  await rooms.ssh.exec(endpoint, { command: "tar -x -C /", stdin: iptablesTar() }, signal);
  hands = await Console.open();
});

afterAll(async () => {
  hands.close();
  mayfly("rm", "--all", "--force");
  expect(processesOf(self, home)).toEqual([]);
  await rm(home, { recursive: true, force: true });
});

/** Runs the command to its end. */
function mayfly(...args: string[]) {
  return spawnSync(process.execPath, [MAIN, ...args], { env: environment, cwd: home, encoding: "utf8" });
}

/** A root shell at the VM's serial console, which needs no network. */
class Console {
  #text = "";
  #commands = 0;

  private constructor(private readonly socket: Socket) {
    socket.setEncoding("utf8").on("data", (text: string) => (this.#text += text));
  }

  /** Puts the shell there, instead of a login. */
  static async open(): Promise<Console> {
    const shell = "setsid sh -c 'stty -F /dev/ttyS0 -echo; PS1= exec sh </dev/ttyS0 >/dev/ttyS0 2>&1'";
    const command = `systemctl stop serial-getty@ttyS0; ${shell} >/dev/null 2>&1 </dev/null &`;
    await rooms.ssh.exec(endpoint, { command }, AbortSignal.timeout(DEADLINE_MS));
    const socket = await connectConsole(openPaths(environment), id, AbortSignal.timeout(DEADLINE_MS));
    return new Console(socket);
  }

  /** Runs commands there, and waits until they are done. */
  async run(...commands: readonly string[]): Promise<void> {
    this.#commands += 1;
    const mark = `done ${String(this.#commands)}`;
    for (const line of commands) this.socket.write(`${line}\n`);
    this.socket.write(`echo "done" ${String(this.#commands)}\n`);
    await eventually(
      commands.join("; "),
      PATIENCE,
      () => this.#text.includes(mark),
      () => this.#text,
    );
  }

  /** Types a command that nobody comes back from. */
  type(command: string): void {
    this.socket.write(`${command}\n`);
  }

  close(): void {
    this.socket.destroy();
  }
}

/** Diagnoses the VM in this process, as the command does. */
async function diagnose() {
  await rooms.ssh.forget(endpoint);
  return rooms.diagnose.machine({ id, name: "patient", endpoint }, AbortSignal.timeout(DEADLINE_MS));
}

type Expected = readonly [rung: RungName, cause: RegExp, remedy: RegExp];

/** That the first broken rung is this one, with its cause and remedy. */
async function expectBroken(...[rung, cause, remedy]: Expected): Promise<BrokenRung> {
  const { firstBroken, rungs } = await diagnose();
  if (firstBroken === undefined) throw new Error(`nothing is broken: ${JSON.stringify(rungs)}`);
  expect({ rung: firstBroken.name, ...firstBroken }).toMatchObject({
    ...{ rung, cause: expect.stringMatching(cause), remedy: expect.stringMatching(remedy) },
  });
  return firstBroken;
}

interface Fault {
  readonly name: string;
  readonly make: readonly string[];
  readonly undo: readonly string[];
  readonly expected: Expected;
  /** Also seen. */
  readonly seen?: RegExp;
}

const END_SSHD = "pid=$(cat /etc/mayfly/sshd.pid); kill $pid; while kill -0 $pid; do sleep 0.1; done 2>/dev/null";
const AWAIT_SSHD = "until grep -q ':FA16 [0-9A-F]*:[0-9A-F]* 0A' /proc/net/tcp; do sleep 0.1; done"; // the agent starts it
const KEYS = "/etc/mayfly/access/keys/root";

const CURABLE: readonly Fault[] = [
  {
    name: "sshd does not start",
    make: ["echo Nonsense yes >>/etc/ssh/sshd_config", END_SSHD],
    undo: ["sed -i /Nonsense/d /etc/ssh/sshd_config", AWAIT_SSHD],
    expected: ["sshd", /^sshd does not start: .*Bad configuration option: Nonsense/i, /started again every second/],
    seen: /nobody listens on the guest's port 64022/,
  },
  {
    name: "sshd is stopped",
    make: ["kill -STOP $(cat /etc/mayfly/sshd.pid)"],
    undo: ["kill -CONT $(cat /etc/mayfly/sshd.pid)"],
    expected: ["sshd", /stopped by a signal/, /kill -CONT/],
  },
  {
    name: "the user's shell is missing",
    make: ["usermod -s /bin/nosuch root"],
    undo: ["usermod -s /bin/bash root"],
    expected: ["key", /^the login shell of root, \/bin\/nosuch, is missing/, /usermod -s \/bin\/sh root/],
    seen: /not allowed because shell \/bin\/nosuch does not exist/,
  },
  {
    name: "the user's shell lets nobody work",
    make: ["usermod -s /usr/sbin/nologin root"],
    undo: ["usermod -s /bin/bash root"],
    expected: ["session", /^the login shell of root, \/usr\/sbin\/nologin, ends at once/, /usermod -s \/bin\/sh root/],
    seen: /account is currently not available/,
  },
  {
    name: "others may write to the file of keys",
    make: [`chmod 666 ${KEYS}`],
    undo: [`chmod 644 ${KEYS}`],
    expected: ["key", /^sshd takes no keys from \S+\/keys\/root: its mode is 666/, /chmod go-w \S+\/keys\/root/],
    seen: /^Authentication refused: bad ownership or modes for file/m,
  },
  {
    name: "the key is not in the file",
    make: [`cp ${KEYS} /root/keys`, `sed -i 's/ .*/ AAAA/' ${KEYS}`],
    undo: [`cat /root/keys >${KEYS}`],
    expected: ["key", /does not hold ours/, /put it back into \S+\/keys\/root/],
  },
  {
    name: "a full disk",
    make: ["fallocate -l $(($(stat -f -c %a /) * 4096)) /root/fill"],
    undo: ["rm /root/fill"],
    expected: ["disk", /^\/ is full$/, /du -xh/],
    seen: /^\/ has 0 MiB of \d+ MiB free$/,
  },
  {
    name: "a firewall drops",
    make: ["iptables -A INPUT -p tcp --dport 64022 -j DROP"],
    undo: ["iptables -F INPUT"],
    expected: ["port", /a firewall of the guest, by the rule "-A INPUT .*-j DROP", drops/, /let TCP port 64022 in/],
    seen: /QEMU's network has it as SYN_SENT/,
  },
  {
    name: "a firewall rejects",
    make: ["iptables -A INPUT -p tcp --dport 64022 -j REJECT"],
    undo: ["iptables -F INPUT"],
    expected: ["port", /by the rule "-A INPUT .*-j REJECT.*", rejects/, /let TCP port 64022 in/],
  },
  {
    name: "a route that leads nowhere, which no firewall's list shows",
    make: ["ip route replace blackhole default"],
    undo: ["ip route del blackhole default", "ip route add default via 10.53.0.2"],
    expected: ["port", /a firewall or a route in the guest drops/, /ip route/],
    seen: /^route: blackhole default/m,
  },
  {
    name: "the network is down",
    make: ["ip link set eth0 down"],
    undo: ["ip link set eth0 up", "ip route add default via 10.53.0.2"],
    expected: ["port", /^the guest's network card eth0 is down$/, /ip link set eth0 up/],
  },
  {
    name: "the host key is another one",
    make: [
      ...["mv /etc/mayfly/ssh_host_key* /root", "ssh-keygen -q -t ed25519 -N '' -f /etc/mayfly/ssh_host_key"],
      ...[END_SSHD, AWAIT_SSHD],
    ],
    undo: ["mv /root/ssh_host_key* /etc/mayfly", END_SSHD, AWAIT_SSHD],
    expected: ["host-key", /^somebody has changed the guest's host key/, /do not trust it$/],
    seen: /^expected ssh-ed25519 SHA256:\S+\nit shows ssh-ed25519 SHA256:/,
  },
];

test("a VM that is well is healthy, in words and as JSON", () => {
  const { status, stdout } = mayfly("diagnose", "patient");
  expect(stdout).toMatch(/^ok {4}container: mayfly-patient-\w+ runs\n/);
  expect(stdout).toMatch(/^ok {4}session: a command ran, \d/m);
  expect(stdout).toMatch(/\npatient is healthy\n$/);
  expect(status).toBe(0);
  // What it has logged in for is no secret either.
  const log = readFileSync(join(openPaths(environment).machines, id, "sessions.jsonl"), "utf8");
  expect(log).toMatch(/"event":"began","session":1,"resource":"mayfly diagnose","kind":"command"/);
});

test.each(CURABLE)("$name", async ({ make, undo, expected, seen = /./ }) => {
  await hands.run(...make);
  try {
    expect((await expectBroken(...expected)).seen).toMatch(seen);
  } finally {
    await hands.run(...undo);
  }
});

test("a failed SshCommand names the first broken rung", async () => {
  const context = {
    ...{
      ...rooms,
      owner: OWNER,
      known: new Set<string>(),
      leaving: new Set<string>(),
      signal: AbortSignal.timeout(DEADLINE_MS),
    },
    ...{ say: () => undefined, step: async <T>(_: string, work: () => Promise<T>) => work() },
  } satisfies Context;
  const { log: _, isEmulated: __, ...connection } = endpoint; // what a program does not say
  const inputs = sshCommandSchema.parse({ connection, vmId: id, create: "true" });
  await hands.run("usermod -s /bin/nosuch root");
  const error = await failureOf<MayflyError>(sshCommand.create("id", inputs, context));
  await hands.run("usermod -s /bin/bash root");
  expect(error.code).toBe("CONNECT_FAILED");
  expect(error.evidence).toMatch(/^diagnosis: key: the login shell of root, \/bin\/nosuch, is missing/m);
  expect(error.remedy).toMatch(/usermod -s/);
});

test("the kernel's OOM killer was at work", async () => {
  // On request (sysrq): the same killer, without the time that filling all memory takes under emulation.
  const victim = "sh -c 'echo 1000 >/proc/self/oom_score_adj; exec sleep 1000' & victim=$!";
  await hands.run(
    victim,
    "until grep -q sleep /proc/$victim/comm; do :; done",
    "echo f >/proc/sysrq-trigger",
    "wait $victim",
  );
  await expectBroken("memory", /ran out of memory, and its kernel killed sleep \(pid \d+\)/, /^declare more `memory`/);
});

test("qemu is stopped, by a signal and over QMP", async () => {
  const qemu = (await rooms.machines.record(id))?.qemu?.pid ?? 0;
  process.kill(qemu, "SIGSTOP");
  const { remedy } = await expectBroken("qemu", /^qemu was stopped by a signal/, /^kill -CONT \d+$/);
  execFileSync("sh", ["-c", remedy]);

  const signal = AbortSignal.timeout(DEADLINE_MS);
  const shared = join(openPaths(environment).machines, id, "shared");
  const tell = async (command: string) => {
    using qmp = await Qmp.connect(shared, "qmp.sock", signal);
    await qmp.execute(command, undefined, signal);
  };
  await tell("stop");
  await expectBroken("qemu", /over qemu's control socket/, /QMP: cont/);
  await tell("cont");

  const { status, stdout } = mayfly("diagnose", "--json", "patient");
  const answer = JSON.parse(stdout) as { isHealthy: boolean; firstBroken: { name: string } | null };
  expect([status, answer.firstBroken?.name]).toEqual([1, "memory"]); // of the test before: it is well again but for that
});

test("init hangs", async () => {
  hands.type("kill -SEGV 1"); // no other signal stops it: the kernel keeps them from PID 1
  await eventually("systemd freezes", PATIENCE, async () => (await diagnose()).firstBroken?.name === "init");
  await expectBroken(
    "init",
    /^systemd \(PID 1\) (?:has crashed|hangs)/,
    /systemd does not come back: mayfly stop patient, and mayfly start patient/,
  );
});

test("the kernel panics", async () => {
  hands.type("echo c >/proc/sysrq-trigger");
  // Not by a line of its console: QEMU logs a character again that its console's socket has not taken at once.
  await eventually("it panics", PATIENCE, async () => (await diagnose()).firstBroken?.name === "kernel");
  const { seen } = await expectBroken(
    "kernel",
    /^the guest's kernel has panicked \(sysrq triggered crash\)$/,
    /mayfly logs/,
  );
  expect(seen).toMatch(/Kernel panic - not syncing/);
});

test("the container is removed", async () => {
  hands.close();
  execFileSync("podman", ["rm", "--force", "--time", "0", `mayfly-${id}`]);
  await expectBroken("container", /container was removed/, /^mayfly start patient$/);
  const { status, stdout } = mayfly("diagnose", "patient");
  expect(stdout).toMatch(/^FAIL {2}container: podman has no container mayfly-patient-\w+\n {6}cause: .*\n {6}to fix: /);
  expect(stdout).toMatch(/^\? {5}session: not looked at/m);
  expect(status).toBe(1);
});
