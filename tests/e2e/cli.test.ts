import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { processesOf, self } from "../support/callers";
import { eventually } from "../support/eventually";
import { shareMachineParts } from "../support/shared";

// The command as a process, on real VMs of the default size, so that the run's shared template serves them.

const MAIN = join(__dirname, "..", "..", "sdk", "dist", "cli", "main.js");

const PATIENCE = 120; // seconds

let home: string;
let environment: NodeJS.ProcessEnv;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "mayfly cli "));
  const data = join(home, "data");
  await mkdir(data);
  execFileSync("chmod", ["711", home, data]); // as /var/lib/mayfly is
  await shareMachineParts(data);
  environment = { ...process.env, MAYFLY_HOME: data, NO_COLOR: "1" };
});

afterAll(async () => {
  await mayfly("rm", "--all", "--force");
  expect(processesOf(self, home)).toEqual([]);
  await rm(home, { recursive: true, force: true });
});

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the command to its end. */
async function mayfly(...args: string[]): Promise<Ended> {
  return ended(spawn(process.execPath, [MAIN, ...args], { env: environment, cwd: home }));
}

async function ended(child: ChildProcess, input = ""): Promise<Ended> {
  const said = { out: "", err: "" };
  child.stdout?.on("data", (text: Buffer) => (said.out += text.toString()));
  child.stderr?.on("data", (text: Buffer) => (said.err += text.toString()));
  child.stdin?.end(input);
  const [code] = (await once(child, "close")) as [number | null];
  return { code, ...said };
}

/** The command in a pseudo-terminal, with hands on its keys. */
class Terminal {
  readonly process: ChildProcess;
  text = "";

  constructor(...args: string[]) {
    const line = [process.execPath, MAIN, ...args].map((word) => `'${word}'`).join(" ");
    const options = { env: environment, cwd: home } as const;
    this.process = spawn(
      "script",
      ["--quiet", "--flush", "--return", "--command", `exec ${line}`, "/dev/null"],
      options,
    );
    this.process.stdout?.on("data", (text: Buffer) => (this.text += text.toString()));
  }

  type(keys: string): void {
    this.process.stdin?.write(keys);
  }

  async shows(pattern: RegExp): Promise<void> {
    const seen = () => pattern.test(this.text);
    await eventually(`${String(pattern)} on the terminal`, PATIENCE, seen, () => this.text);
  }

  async end(): Promise<number | null> {
    if (this.process.exitCode === null) await once(this.process, "exit");
    return this.process.exitCode;
  }
}

const records = async () => (await readdir(join(home, "data", "records", "machines")).catch(() => [])).join(" ");

interface Listed {
  readonly name: string;
  readonly id: string;
  readonly state: string;
  readonly expiresAt?: number;
}

interface Inspected {
  readonly id: string;
  readonly ssh: { readonly config: string };
  readonly failedLogins: readonly object[];
}

const configOf = async (name: string) => (await mayfly("ssh-config", "--path", name)).out.trim();

const list = async () => JSON.parse((await mayfly("ls", "--json")).out) as Listed[];

test("a VM of the command's own: run, all that can be done with it, rm", async () => {
  const share = join(home, "share");
  await mkdir(share);
  await writeFile(join(share, "file"), "from the host\n");
  const made = await mayfly(
    "run",
    "-d",
    "--name",
    "dev",
    "--bind",
    "./share:/srv/share",
    "--port",
    "80",
    "--expires",
    "2h",
  );
  expect(made).toMatchObject({ code: 0, out: "dev\n" });
  const [listed] = await list();
  expect(listed).toMatchObject({ name: "dev", state: "running", stack: "", cpus: 2, memoryMiB: 1_024 });
  expect(listed?.expiresAt).toBeGreaterThan(Date.now() / 1_000 + 7_000);
  expect((await mayfly("ls")).out).toMatch(
    /^NAME .*\ndev +running +debian-bookworm +2 +1GiB +\S+ \w+ ago +in 1 hour +\d+:80 +-\n$/,
  );
  expect(await mayfly("run", "-d", "--name", "dev")).toMatchObject({
    code: 1,
    out: "",
    err: expect.stringMatching(/there is a VM dev already/),
  });

  // Words as they are; input, output, errors, exit code.
  const script = 'read line; echo "$1 $line"; echo "bad" >&2; exit 7';
  const child = spawn(process.execPath, [MAIN, "exec", "dev", "--", "sh", "-c", script, "sh", "a  b"], {
    env: environment,
  });
  expect(await ended(child, "in\n")).toEqual({ code: 7, out: "a  b in\n", err: "bad\n" });
  expect(await mayfly("ssh", "dev", "cat", "/srv/share/file", "&&", "hostname")).toEqual({
    code: 0,
    out: "from the host\ndev\n",
    err: "",
  });

  expect(await mayfly("cp", "share/file", "dev:/root/copy")).toMatchObject({ code: 0 });
  expect(await mayfly("sync", "./share", "dev:/root/synced")).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^1 file to copy/),
  });
  expect(await mayfly("cp", "-r", "dev:/root/synced", "back")).toMatchObject({ code: 0 });
  expect(await readFile(join(home, "back", "file"), "utf8")).toBe("from the host\n");

  const { out: forwarded } = await mayfly("forward", "-d", "--json", "dev", "22");
  const [{ listen }] = JSON.parse(forwarded) as [{ listen: string }];
  const [, port = ""] = listen.split(":");
  expect(
    execFileSync("ssh-keyscan", ["-p", port, "-t", "ed25519", "127.0.0.1"], { stdio: "pipe" }).toString(),
  ).toContain("ssh-ed25519");
  expect((await mayfly("forward", "--stop", "dev")).err).toBe("ended 1 of dev\n");

  const stranger = spawn("ssh", ["-F", await configOf("dev"), "-l", "stranger", "dev", "true"], { stdio: "ignore" });
  expect((await ended(stranger)).code).toBe(255);
  const inspected = await mayfly("inspect", "dev");
  const [{ ssh, id, failedLogins }] = JSON.parse(inspected.out) as [Inspected];
  expect(failedLogins).toEqual([{ user: "stranger", address: expect.any(String), count: 1, last: expect.any(String) }]);
  expect(inspected.out).not.toContain("PRIVATE KEY");
  expect(await configOf("dev")).toBe(ssh.config);
  expect(execFileSync("ssh", ["-F", ssh.config, "dev", "echo by hand"]).toString()).toBe("by hand\n");
  const seen = await mayfly("logs", "--ssh", "dev");
  expect(seen.err).toMatch(/^1 failed login since its boot: 1 of "stranger" from /);
  const lines = seen.out
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

  const console_ = new Terminal("console", "dev");
  await console_.shows(/connected to the console/);
  const shown = mayfly("exec", "dev", "--", "sh", "-c", "echo on the line >/dev/ttyS0");
  await console_.shows(/on the line/);
  console_.type("\u001d");
  expect(await console_.end()).toBe(0);
  expect((await shown).code).toBe(0);
  expect((await mayfly("logs", "dev")).out).toMatch(/on the line/);

  const all = new Terminal("rm", "--all");
  await all.shows(/Remove dev\? \[y\/N\]/);
  all.type("n\r");
  expect(await all.end()).toBe(0);
  expect((await mayfly("rm", "--all")).code).toBe(2); // no terminal to ask on
  const waiting = mayfly("wait", "dev");
  expect(await mayfly("rm", "dev")).toEqual({ code: 0, out: "", err: "removed dev\n" });
  expect((await waiting).code).toBe(0);
  expect(await list()).toEqual([]);
  expect(await readdir(join(home, "data", "machines"))).not.toContain(id);
  expect(await mayfly("exec", "dev", "true")).toMatchObject({
    code: 125,
    err: expect.stringMatching(/no VM dev\n {2}to fix: see: mayfly ls/),
  });
});

test("a session's VM: the command's exit code, and gone with it; also when the session is killed", async () => {
  expect(await mayfly("run", "--rm", "--execute", "cat /etc/hostname; exit 3", "--name", "brief")).toMatchObject({
    code: 3,
    out: "brief\n",
  });
  expect(await records()).not.toMatch(/brief/);

  const session = new Terminal("ssh", "--name", "sess", "debian");
  await session.shows(/root@sess/);
  session.type("tty; stty size; exit 5\r");
  expect(await session.end()).toBe(5);
  expect(session.text).toMatch(/\/dev\/pts\/\d/);
  expect(await records()).not.toMatch(/sess/);

  for (const moment of ["booting", "logged in"]) {
    const killed = new Terminal("ssh", "--name", "killed", "debian");
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
    () => processesOf(self, home).length === 0 && !keepers().includes("killed"),
  );
  expect(await readdir(join(home, "data", "sessions"))).toEqual([]);
});

const keepers = () => execFileSync("ps", ["-eo", "args"]).toString();

test("a private network of the command's own, by name; it goes with its last VM", async () => {
  expect(
    await mayfly("run", "-d", "--name", "one", "--network", "lan:10.80.0.7", "--network", "isolated"),
  ).toMatchObject({ code: 0 });
  expect(await mayfly("run", "--rm", "--network", "lan", "--execute", "getent hosts one")).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^10\.80\.0\.7 /),
  });
  expect((await mayfly("rm", "one")).err).toBe("removed one\nremoved the network lan, which no VM was in\n");
});

test("what needs no VM: versions, doctor, completion, help, and what can't be meant", async () => {
  expect(await mayfly("--version")).toMatchObject({ code: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
  const { mayfly: own, qemu } = JSON.parse((await mayfly("version", "--json")).out) as Record<string, string>;
  expect([own, qemu].join()).toMatch(/^\d+\.\d+\.\d+,\d+\.\d+/);
  const findings = JSON.parse((await mayfly("doctor", "--json")).out) as {
    name: string;
    state: string;
    fix?: string;
  }[];
  expect(findings.filter(({ state }) => state === "fail")).toEqual([]);
  expect(findings.filter(({ state, fix }) => state === "warn" && fix === undefined)).toEqual([]);
  const script = `source ./completion; COMP_WORDS=(mayfly run --mem); COMP_CWORD=2; _mayfly; echo "\${COMPREPLY[@]}"`;
  const { out } = await mayfly("completion", "bash");
  await writeFile(join(home, "completion"), out);
  expect(execFileSync("bash", ["-c", script], { cwd: home }).toString()).toBe("--memory\n");
  expect(await mayfly("run", "--help")).toMatchObject({
    code: 0,
    out: expect.stringMatching(/Examples:\n {2}\$ mayfly run -d/),
  });
  expect(await mayfly("run", "--memory", "3x", "--bind", "./nope:/x")).toMatchObject({
    code: 2,
    err: expect.stringMatching(/^error: --memory: must be a size/),
  });
  expect(await mayfly("run", "--bind", "./nope:/x")).toMatchObject({
    code: 2,
    err: expect.stringMatching(/^error: --bind \.\/nope:\/x: must be a directory/),
  });
  expect(await mayfly("lss")).toMatchObject({ code: 2, err: expect.stringMatching(/Did you mean ls\?/) });
  expect(await mayfly("ssh", "typo")).toMatchObject({ code: 125, err: expect.stringMatching(/there is no VM typo/) });
});
