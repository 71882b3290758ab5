import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import type { Context } from "../../../provider/context";
import { IncompleteError, MayflyError } from "../../../provider/errors";
import { sshCommand, type SshCommandState } from "../../../provider/resources/ssh-command";
import { sshCommandSchema, type SshCommandInputs, type SshCommandSpec } from "../../../provider/schema/ssh-command";
import { Ssh } from "../../../provider/ssh/ssh";
import { freePort, Sshd } from "../../support/sshd";

const ssh = new Ssh();
let server: Sshd;
let said: string[];
let alive: boolean;
let machine: string; // the folder of the VM that some say they are on
let context: Context;

beforeAll(async () => {
  server = await Sshd.start();
});
afterAll(async () => {
  await ssh.close();
  await server[Symbol.asyncDispose]();
});
beforeEach(() => {
  said = [];
  alive = true;
  machine = join(server.folder, "machine");
  rmSync(machine, { recursive: true, force: true });
  context = {
    ssh,
    machines: {
      isAlive: () => Promise.resolve(alive),
      file: (_id: string, name: string) => join(machine, name),
      record: () => Promise.resolve(undefined),
    },
    leaving: new Set(["web-9"]),
    diagnose: { machine: () => Promise.reject(new Error("there is no VM to look at")) },
    owner: { project: "p", stack: "s", resource: "tests" },
    signal: AbortSignal.timeout(30_000),
    say: (text: string) => said.push(text),
    step: <T>(_title: string, work: () => Promise<T>) => work(),
  } as unknown as Context;
  rmSync(join(server.folder, "home", "log"), { force: true });
});

function spec(inputs: Omit<SshCommandInputs, "connection">): SshCommandSpec {
  return sshCommandSchema.parse({ connection: server.endpoint, ...inputs });
}

/** What the commands of a test have written into `~/log`. */
function log(): string {
  const file = join(server.folder, "home", "log");
  return existsSync(file) ? readFileSync(file, "utf8") : "";
}

async function create(inputs: SshCommandSpec): Promise<SshCommandState & SshCommandSpec> {
  return { ...inputs, ...(await sshCommand.create("id", inputs, context)) };
}

async function failureOf(work: Promise<unknown>): Promise<Error> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(Error);
  return error as Error;
}

/** What a failure leaves for the verbs to come. */
function stateOf(error: Error): SshCommandState {
  if (!(error instanceof IncompleteError)) throw error;
  return error.state as SshCommandState;
}

describe("create", () => {
  test("runs the command and keeps its output without one newline at the end", async () => {
    const state = await create(spec({ create: "cat; echo; echo err >&2", stdin: "in\n" }));
    expect(state).toMatchObject({ stdout: "in\n", stderr: "err", exitCode: 0, redacted: false });
    expect(state.durationSeconds).toBeGreaterThan(0);
    expect(said.sort()).toEqual(["", "err", "in"]);
  });

  test("without a command does nothing, and needs no host", async () => {
    const nowhere = { ...spec({ update: "echo u" }), connection: { ...spec({}).connection, host: "no.such.host" } };
    expect(await create(nowhere)).toMatchObject({ stdout: "", stderr: "", exitCode: 0 });
  });

  test.each([
    ["stdout", ["out"]],
    ["stderr", ["err"]],
    ["none", []],
  ] as const)("prints what logging %s says", async (logging, lines) => {
    await create(spec({ create: "echo out; echo err >&2", logging }));
    expect(said).toEqual(lines);
  });

  test("with secret output prints and shows nothing of it, also when it fails", async () => {
    const state = await create(spec({ create: "echo geheim", secretOutput: true }));
    expect(sshCommand.secretOutputs?.(state)).toEqual(["stdout", "stderr"]);
    const { message } = await failureOf(create(spec({ create: "echo geheim; exit 1", secretOutput: true })));
    expect(said.join() + message).not.toContain("geheim");
    expect(message).toContain("failed with exit code 1");
  });

  test("that fails on a VM tells how to log in there; a secret one does not speak of its output", async () => {
    mkdirSync(machine);
    writeFileSync(join(machine, "ssh_config"), "Host web\n  Port 1\n");
    const error = await failureOf(create(spec({ create: "exit 3", vmId: "web-1" })));
    expect(error.message).toContain(`To fix: see its output, and try it by hand: ssh -F '${machine}/ssh_config' web`);
    const hidden = await failureOf(create(spec({ create: "exit 3", vmId: "web-1", secretOutput: true })));
    expect(hidden.message).toContain(`To fix: try it by hand: ssh -F '${machine}/ssh_config' web`);
  });

  test("that fails says what, where, how it ended and what it printed last", async () => {
    const command = `for i in $(seq 30); do echo line $i; done; echo bad >&2; exit 3 # ${"x".repeat(100)}\necho second`;
    const error = await failureOf(create(spec({ create: command, logging: "none" })));
    expect(error).toMatchObject({ name: "MayflyError", code: "COMMAND_FAILED" });
    const { host, port, user } = spec({}).connection;
    const lines = error.message.split("\n");
    expect(lines[0]).toBe(`SshCommand "tests": create failed with exit code 3 on ${user}@${host}:${String(port)}`);
    expect(lines[1]).toMatch(/^\$ for i in .*…$/);
    expect(lines.slice(2)).toEqual([
      ...Array.from({ length: 11 }, (_, index) => `line ${String(index + 20)}`),
      "bad",
      `To fix: see its output, and try it by hand: ssh -p ${String(port)} ${user}@${host}`,
      "More on this: COMMAND_FAILED in docs/errors.md of pulumi-mayfly",
    ]);
    const onVm = await failureOf(create(spec({ create: "exit 1", vmId: "web-1a2b" })));
    expect(onVm.message).toContain("on VM web-1a2b");
  });

  test("takes exit codes that are allowed; a signal counts as shells count it", async () => {
    expect(await create(spec({ create: "exit 4", allowedExitCodes: [0, 4] }))).toMatchObject({ exitCode: 4 });
    expect(await create(spec({ create: "kill -TERM $$", allowedExitCodes: [143] }))).toMatchObject({ exitCode: 143 });
    expect((await failureOf(create(spec({ create: "exit 0", allowedExitCodes: [4] })))).message).toContain(
      "exit code 0",
    );
  });

  test("is ended after its timeout, and when it prints too much", async () => {
    const late = await failureOf(create(spec({ create: "echo begun; sleep 60", timeout: 0.5 })));
    expect(late).toMatchObject({ code: "COMMAND_TIMEOUT" });
    expect(late.message).toContain("was ended after 0.5 s with all of its process group");
    expect(late.message).toContain("begun");
    const much = await failureOf(create(spec({ create: "yes", maxOutputBytes: 1_000, logging: "none" })));
    expect(much).toMatchObject({ code: "COMMAND_FAILED" });
    expect(much.message).toContain("more than 1000 bytes");
  });

  test("that failed and has a delete is kept, so that delete can clean up behind it", async () => {
    const inputs = spec({ create: "echo half > ~/log; exit 1", delete: "rm ~/log" });
    const error = await failureOf(create(inputs));
    expect(error).toBeInstanceOf(IncompleteError);
    const state = stateOf(error);
    expect(state).toMatchObject({ exitCode: 1 });
    expect(log()).toBe("half\n");
    await sshCommand.delete("id", { ...inputs, ...state }, context);
    expect(log()).toBe("");
  });

  test("that never began is not kept", async () => {
    const connection = { ...spec({}).connection, port: await freePort(), dialErrorLimit: 1 };
    const error = await failureOf(create({ ...spec({ create: "true", delete: "true" }), connection }));
    expect(error).toBeInstanceOf(MayflyError);
    expect(error).toMatchObject({ code: "CONNECT_FAILED" });
  });
});

describe("update", () => {
  test("runs update, else create, with the last output in its environment", async () => {
    const before = await create(spec({ create: "echo one; echo two >&2" }));
    const show = 'echo "$PULUMI_COMMAND_STDOUT+$PULUMI_COMMAND_STDERR"';
    const run = (inputs: SshCommandSpec) => sshCommand.update("id", before, inputs, context);
    expect(await run(spec({ create: show }))).toMatchObject({ stdout: "one+two" });
    expect(await run(spec({ create: "echo no", update: show }))).toMatchObject({ stdout: "one+two" });
    expect(await run(spec({ create: show, addPreviousOutputInEnv: false }))).toMatchObject({ stdout: "+" });
    const mine = { PULUMI_COMMAND_STDOUT: "mine" };
    expect(await run(spec({ create: show, environment: mine }))).toMatchObject({ stdout: "mine+two" });
  });

  test("leaves a last output out that is too long for a variable", async () => {
    const before = await create(spec({ create: "head -c 140000 /dev/zero | tr '\\0' x", logging: "none" }));
    const after = await sshCommand.update("id", before, spec({ create: 'echo "<$PULUMI_COMMAND_STDOUT>"' }), context);
    expect(after.stdout).toBe("<>");
    expect(said).toContainEqual(expect.stringContaining("PULUMI_COMMAND_STDOUT is not set"));
  });

  test.each([
    { create: "echo changed" },
    { update: "echo changed" },
    { stdin: "changed" },
    { environment: { A: "changed" } },
    { directory: "/tmp" },
    { interpreter: ["sh", "-c"] },
  ])("runs for a change of %j", async (change) => {
    const inputs = { create: "echo run >> ~/log" };
    const before = await create(spec(inputs));
    const after = await sshCommand.update("id", before, spec({ ...inputs, ...change }), context);
    expect(log() + after.stdout).toMatch(/^run\n(?:run\n|changed)$/);
  });

  test.each([
    { delete: "true" },
    { read: "true" },
    { timeout: 5 },
    { logging: "none" },
    { allowedExitCodes: [0, 1] },
    { ignoreDeleteErrors: true },
    { addPreviousOutputInEnv: false },
    { maxOutputBytes: 5 },
    { secretOutput: true },
  ] as const)("runs nothing for a change of %j", async (change) => {
    const inputs = { create: "echo run >> ~/log; echo out" };
    const before = await create(spec(inputs));
    const wanted = spec({ ...inputs, ...change } as Omit<SshCommandInputs, "connection">);
    const after = await sshCommand.update("id", before, wanted, context);
    expect(after).toMatchObject({ stdout: "out", redacted: wanted.secretOutput });
    expect(Object.keys(after).sort()).toEqual(["durationSeconds", "exitCode", "redacted", "stderr", "stdout"]);
    expect(log()).toBe("run\n");
  });

  test("runs where its last exit code is not allowed any more, and is then done with it", async () => {
    const before = await create(spec({ create: "exit 3", allowedExitCodes: [0, 3] }));
    const narrow = spec({ create: "exit 3", update: "echo now", allowedExitCodes: [0] });
    const after = await sshCommand.update("id", before, narrow, context);
    expect(after).toMatchObject({ stdout: "now", exitCode: 0 });
    expect(await sshCommand.needsUpdate?.("id", { ...narrow, ...after }, narrow, context)).toBe(false);
  });

  test("finishes what failed at first: runs create until it succeeds", async () => {
    const inputs = spec({ create: "echo run >> ~/log; test $(wc -l < ~/log) -ge 3", update: "exit 9", delete: "true" });
    const first = stateOf(await failureOf(create(inputs)));
    const again = (state: SshCommandState) => sshCommand.update("id", { ...inputs, ...state }, inputs, context);
    const second = stateOf(await failureOf(again(first)));
    expect(await again(second)).toMatchObject({ exitCode: 0 });
    expect(log()).toBe("run\nrun\nrun\n");
  });

  test("that fails is an error and no half thing: Pulumi keeps what was", async () => {
    const before = await create(spec({ create: "true", delete: "true" }));
    const error = await failureOf(sshCommand.update("id", before, spec({ update: "exit 1", delete: "true" }), context));
    expect(error).toBeInstanceOf(MayflyError);
  });
});

describe("read", () => {
  test("runs the probe: an exit code that is not allowed means drift", async () => {
    const state = await create(spec({ create: "echo out > ~/log; echo out", read: "test -f ~/log" }));
    const read = () => sshCommand.read?.("id", state, context);
    expect(await read()).toEqual({ ...(await read()), stdout: "out" });
    rmSync(join(server.folder, "home", "log"), { force: true });
    expect(await read()).toEqual(undefined);
    expect(said.at(-1)).toContain("gone, says the read command by exit code");
  });

  test("without a probe asks nobody; what ran on a VM that is gone is gone", async () => {
    const state = await create(spec({ create: "echo out", vmId: "web-1" }));
    const nowhere = { ...state, connection: { ...state.connection, host: "no.such.host" } };
    expect(await sshCommand.read?.("id", nowhere, context)).toMatchObject({ stdout: "out" });
    alive = false;
    expect(await sshCommand.read?.("id", nowhere, context)).toBeUndefined();
  });
});

describe("delete", () => {
  const unreachable = async (inputs: Omit<SshCommandInputs, "connection">) => {
    const state = await create(spec({ ...inputs, create: "echo out" }));
    return { ...state, connection: { ...state.connection, port: await freePort(), dialErrorLimit: 1 } };
  };

  test("runs its command with the last output; without one it asks nobody", async () => {
    const state = await create(spec({ create: "echo out", delete: 'echo "$PULUMI_COMMAND_STDOUT" > ~/log' }));
    await sshCommand.delete("id", state, context);
    expect(log()).toBe("out\n");
    await sshCommand.delete("id", await unreachable({}), context);
  });

  test("is done when its VM is gone, and an error when only the way there is", async () => {
    const state = await unreachable({ delete: "true", vmId: "web-1" });
    expect(await failureOf(sshCommand.delete("id", state, context))).toMatchObject({ code: "CONNECT_FAILED" });
    alive = false;
    await sshCommand.delete("id", state, context);
  });

  test("is done where Pulumi removes the VM next", async () => {
    await sshCommand.delete("id", await unreachable({ delete: "true", vmId: "web-9" }), context);
  });

  test("is done when its VM goes meanwhile", async () => {
    const state = await create(spec({ create: "echo out", delete: "sleep 60", vmId: "web-1" }));
    const deleted = sshCommand.delete("id", state, context);
    setTimeout(() => {
      alive = false;
      void ssh.forget(state.connection);
    }, 500);
    await deleted;
  });

  test("that fails is an error, or a warning if so wished", async () => {
    const state = await create(spec({ create: "true", delete: "echo why; exit 5", logging: "none" }));
    expect(await failureOf(sshCommand.delete("id", state, context))).toMatchObject({ code: "COMMAND_FAILED" });
    await sshCommand.delete("id", { ...state, ignoreDeleteErrors: true }, context);
    expect(said.at(-1)).toMatch(/^warning, passed over by ignoreDeleteErrors: .*delete failed with exit code 5/);
  });
});

describe("on a VM whose key was changed since", () => {
  /** What the VM keeps of the way to it, and a command that was told an older one. */
  async function rotated(inputs: Omit<SshCommandInputs, "connection">) {
    const state = await create(spec({ ...inputs, vmId: "web-1" }));
    mkdirSync(machine);
    writeFileSync(join(machine, "connection.json"), JSON.stringify(state.connection));
    const { privateKey } = await ssh.makeKey({ algorithm: "ed25519" }); // as good as an old one: refused
    return { ...state, connection: { ...state.connection, privateKey } };
  }

  test("delete and read use the key that opens it now", async () => {
    const state = await rotated({ create: "echo x > ~/log", read: "test -f ~/log", delete: "rm ~/log" });
    expect(await sshCommand.read?.("id", state, context)).toBeDefined();
    await sshCommand.delete("id", state, context);
    expect(log()).toBe("");
  });

  test("but not where the saved way is another one than the VM's own", async () => {
    const state = await rotated({ create: "true", delete: "true" });
    const proxied = { ...state, connection: { ...state.connection, port: await freePort(), dialErrorLimit: 1 } };
    expect(await failureOf(sshCommand.delete("id", proxied, context))).toMatchObject({ code: "CONNECT_FAILED" });
  });
});
