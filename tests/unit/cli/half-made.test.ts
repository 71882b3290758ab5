import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
import { main } from "../../../cli/mayfly";
import { MayflyError } from "../../../provider/errors";
import { withLock } from "../../../provider/host/locks";
import { openPaths, type Paths } from "../../../provider/host/paths";
import { identifySelf } from "../../../provider/host/process-identity";
import { Records } from "../../../provider/host/records";
import * as consoles from "../../../provider/machines/console";
import { Machines } from "../../../provider/machines/machines";
import { powerLock } from "../../../provider/machines/power";
import type { MachineRecord } from "../../../provider/machines/record";
import * as vmCheck from "../../../provider/resources/vm-check";

// VMs that are on their way up or down; this process stands in for qemu, and for who makes them.

let paths: Paths;
let records: Records<MachineRecord>;

const homeBefore = process.env["MAYFLY_HOME"];
const self = identifySelf();
const dead = { ...self, startTime: "1" };
const made = { owner: { project: "", stack: "", resource: "dev" }, createdAt: 0, madeBy: self, image: "debian" };

beforeEach(() => {
  process.env["MAYFLY_HOME"] = mkdtempSync(join(tmpdir(), "mayfly-unit-"));
  paths = openPaths();
  records = new Records<MachineRecord>(join(paths.records, "machines"));
  mkdirSync(join(paths.machines, "dev-1", "shared"), { recursive: true });
});
afterEach(() => {
  rmSync(paths.home, { recursive: true });
  if (homeBefore === undefined) delete process.env["MAYFLY_HOME"];
  else process.env["MAYFLY_HOME"] = homeBefore;
});

/** Runs the command in this process. */
async function mayfly(...args: string[]): Promise<{ code: unknown; out: string; err: string }> {
  const [out, err]: [string[], string[]] = [[], []];
  const spies = [
    jest.spyOn(process.stdout, "write").mockImplementation((text) => out.push(String(text)) > 0),
    jest.spyOn(process.stderr, "write").mockImplementation((text) => err.push(String(text)) > 0),
  ];
  try {
    await main(["node", "mayfly", ...args]);
    return { code: process.exitCode ?? 0, out: out.join(""), err: err.join("") };
  } finally {
    process.exitCode = 0;
    for (const spy of spies) spy.mockRestore();
  }
}

const waitFor = async (state: string) => (await mayfly("wait", "dev", "--for", state, "--timeout", "0.5s")).code;

const stateNow = async () => (await mayfly("ls", "--format", "{{.State}}")).out.trim();

test("a VM that boots has not ended, and is not said to run", async () => {
  await records.write("dev-1", { ...made, phase: "starting" }); // qemu is not there yet
  expect([await stateNow(), await waitFor("running"), await waitFor("ended")]).toEqual(["starting", 124, 124]);
  await records.write("dev-1", { ...made, phase: "starting", qemu: self });
  expect([await stateNow(), await waitFor("running"), await waitFor("ended")]).toEqual(["starting", 124, 124]);
  await records.write("dev-1", { ...made, phase: "committed", qemu: self });
  expect([await stateNow(), await waitFor("running"), await waitFor("ended")]).toEqual(["running", 0, 124]);
  await records.write("dev-1", { ...made, phase: "committed", qemu: dead });
  expect([await stateNow(), await waitFor("running"), await waitFor("ended")]).toEqual(["ended", 124, 0]);
});

test("one whose maker was killed has ended", async () => {
  await records.write("dev-1", { ...made, phase: "starting", madeBy: dead });
  expect(await waitFor("ended")).toBe(0);
});

test.each([self, undefined])(
  "one that is being stopped or started is neither up nor at its end (qemu: %j)",
  async (qemu) => {
    await records.write("dev-1", { ...made, phase: "committed", ...(qemu && { qemu }) });
    await withLock(paths.locks, powerLock("dev-1"), AbortSignal.timeout(10_000), async () => {
      expect([await waitFor("running"), await waitFor("ended")]).toEqual([124, 124]);
    });
  },
);

test.each([["exec"], ["ssh"]])("%s of one that boots says that nothing was run", async (verb) => {
  await records.write("dev-1", { ...made, phase: "starting", qemu: self });
  expect(await mayfly(verb, "dev", "true")).toMatchObject({
    code: 125,
    err: expect.stringMatching(/can't be logged in to yet\n {2}to fix: .*mayfly wait --for running/),
  });
});

test("prune leaves a VM alone that is started while it removes others", async () => {
  const ended = { ...made, phase: "committed", qemu: dead } as const;
  await records.write("dev-1", ended);
  await records.write("dev-2", ended);
  const removed: string[] = [];
  const spy = jest.spyOn(Machines.prototype, "remove").mockImplementation(async (id) => {
    removed.push(id);
    await records.write("dev-2", { ...ended, qemu: self });
    mkdirSync(join(paths.machines, "dev-2", "shared"), { recursive: true });
  });
  try {
    expect((await mayfly("prune")).out).toBe("removed vm dev-1: it has ended\n");
  } finally {
    spy.mockRestore();
  }
  expect(removed).toEqual(["dev-1"]);
});

test.each([
  ["start", "dev was never finished"],
  ["stop", "dev is not up yet"],
  ["restart", "dev is not up yet"],
  ["rm", "dev belongs to the stack"],
])("%s goes on with the next one where it fails with one", async (verb, reason) => {
  const owner = verb === "rm" ? { project: "p", stack: "s", resource: "dev" } : made.owner;
  await records.write("dev-1", { ...made, owner, phase: "starting" });
  const { code, err } = await mayfly(verb, "nope", "dev", "none");
  expect(code).toBe(1);
  expect(err).toMatch(new RegExp(`no VM nope[^]*${reason}[^]*no VM none`));
});

test("a console that is ended from outside was interrupted", async () => {
  await records.write("dev-1", { ...made, phase: "committed", qemu: self });
  const server = createServer().listen(join(paths.home, "console.sock"));
  await once(server, "listening");
  const spy = jest.spyOn(consoles, "connectConsole").mockImplementation(async () => {
    const socket = connect(join(paths.home, "console.sock"));
    await once(socket, "connect");
    socket.once("resume", () => process.emit("SIGTERM")); // it is read from: the console is there
    return socket;
  });
  try {
    expect((await mayfly("console", "dev")).code).toBe(130);
  } finally {
    spy.mockRestore();
    server.close();
  }
});

test("a name that can be no image's is told as one that no VM has, or no image", async () => {
  await records.write("dev-1", { ...made, phase: "committed", qemu: self });
  expect(await mayfly("ssh", "Dev")).toEqual({
    ...{ code: 125, out: "", err: "error: there is no VM Dev\n  to fix: did you mean dev?\n" },
  });
  expect(await mayfly("image", "rm", "No image", "Dev")).toMatchObject({
    code: 1,
    err: expect.stringMatching(/^error: there is no image No image\n.*\nerror: there is no image Dev\n/),
  });
});

test("a second one of that name is refused at once, not when the first is up", async () => {
  await records.write("dev-1", { ...made, phase: "starting" });
  const checks = jest.spyOn(vmCheck, "checkVM").mockResolvedValue([]);
  try {
    await withLock(paths.locks, "vm-dev", AbortSignal.timeout(10_000), async () => {
      expect((await mayfly("run", "-d", "--name", "dev")).err).toMatch(/there is a VM dev already/);
    });
  } finally {
    checks.mockRestore();
  }
});

test("what can be said of a VM is said, also where there is none of another name", async () => {
  await records.write("dev-1", { ...made, phase: "committed", qemu: dead });
  const { code, out, err } = await mayfly("inspect", "dev", "nosuch");
  expect([code, (JSON.parse(out) as { name: string }[]).map(({ name }) => name)]).toEqual([1, ["dev"]]);
  expect(err).toMatch(/there is no VM nosuch/);
  await records.write("dev-1", { ...made, phase: "committed", qemu: self });
  const top = await mayfly("top", "nosuch", "dev", "--once");
  expect(top).toMatchObject({
    code: 1,
    out: expect.stringMatching(/\ndev /),
    err: expect.stringMatching(/no VM nosuch/),
  });
  expect(await mayfly("top", "nosuch")).toMatchObject({ code: 1, out: "", err: expect.stringMatching(/no VM nosuch/) });
});

test("a template is removed by a beginning of its name that says something, and one that is none keeps no other", async () => {
  const spies = [
    jest.spyOn(Machines.prototype, "allTemplates").mockResolvedValue([{ key: "4f2a" }, { key: "77aa" }] as never),
    jest.spyOn(Machines.prototype, "removeTemplate").mockResolvedValue(),
  ];
  try {
    expect(await mayfly("template", "rm", "")).toMatchObject({
      code: 2,
      err: expect.stringMatching(/names no template/),
    });
    expect(spies[1]).not.toHaveBeenCalled();
    const { code, out, err } = await mayfly("template", "rm", "--json", "nope", "77");
    expect([code, JSON.parse(out)]).toEqual([1, ["77aa"]]);
    expect(err).toMatch(/removed 77aa\n.*there is no template nope/);
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
});

test("what a VM that is there is to be made like is refused, instead of forgotten", async () => {
  await records.write("dev-1", { ...made, phase: "committed", qemu: self });
  expect(await mayfly("ssh", "-v", "--memory", "2G", "--no-warm", "--port", "80", "dev", "-t", "top")).toMatchObject({
    code: 2,
    err: expect.stringMatching(/error: --memory, --port, --no-warm: for a VM that is to be made, and dev is there;/),
  });
});

test("one that can't be logged in to after its start is off again", async () => {
  await records.write("dev-1", { ...made, phase: "committed", qemu: dead });
  const done: string[] = [];
  const spies = [
    jest.spyOn(Machines.prototype, "startAgain").mockImplementation(async () => {
      done.push("startAgain");
      return Promise.resolve();
    }),
    jest.spyOn(Machines.prototype, "stop").mockImplementation(async (id, seconds) => {
      done.push(`stop ${id} ${String(seconds)}`);
      return Promise.reject(new Error("it hangs"));
    }),
  ];
  try {
    const { code, err } = await mayfly("start", "dev");
    expect(code).toBe(1);
    expect(err).toMatch(/can't be logged in to yet/); // it has no connection.json
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
  expect(done).toEqual(["startAgain", "stop dev-1 10"]);
});

test("a boot that took too long is not said to have an option for that", async () => {
  await records.write("dev-1", { ...made, phase: "committed", qemu: dead });
  const slow = new MayflyError("BOOT_TIMEOUT", "it did not listen", { remedy: "raise bootTimeout" });
  const spy = jest.spyOn(Machines.prototype, "startAgain").mockRejectedValue(slow);
  try {
    expect((await mayfly("start", "dev")).err).toMatch(
      /it did not listen\n {2}to fix: see what it waits for: mayfly logs dev; .*mayfly rm dev, .* a longer --boot-timeout\n$/,
    );
  } finally {
    spy.mockRestore();
  }
});
