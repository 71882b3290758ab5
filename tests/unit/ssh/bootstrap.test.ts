import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import {
  chooseReader,
  nextReader,
  readSurvivors,
  renderEnd,
  NOT_READ,
  renderProgram,
  renderReader,
  startMark,
  type Program,
  type Reader,
} from "../../../provider/ssh/bootstrap";

const TOKEN = "mayfly-0123456789abcdef";

/** Runs a program as sshd would: the reader is the shell's argument, the program the start of its input. */
function run(shell: readonly string[], reader: Reader, program: Program, input = Buffer.alloc(0)) {
  const text = renderProgram(program, TOKEN, reader);
  const [file, ...args] = [...shell, "-c", renderReader(reader, TOKEN, text)];
  const env = { ...process.env, SHELL: shell.length === 1 ? file : "/bin/sh", HOME: "/tmp" };
  const { stdout, stderr, status } = spawnSync(file, args, { input: Buffer.concat([Buffer.from(text), input]), env });
  const mark = startMark(TOKEN).exec(stdout.toString("latin1"));
  const output = mark === null ? undefined : stdout.subarray(mark.index + mark[0].length);
  return { output, stderr: stderr.toString(), status };
}

const shells = [["/bin/bash"], ["/bin/dash"], ["/bin/busybox", "ash"]].flatMap((shell) =>
  (["block", "lines", "shell"] as const).map((reader) => [shell.join(" "), reader, shell] as const),
);

const EVERY_BYTE = String.fromCharCode(...Array.from({ length: 127 }, (_, index) => index + 1));
const AWKWARD = `a'b"c\n\n $HOME \`x\` $(y) \\n \\\\ * ? ünïcödé 🦋 \u0081\u0084 \t end \n${EVERY_BYTE}\\`;

describe.each(shells)("%s, %s", (_name, reader, shell) => {
  test("hands over every byte of environment and input, and the exit code", () => {
    const input = Buffer.from(Array.from({ length: 1_024 }, (_, index) => index % 256));
    const program = { command: 'printf %s "$V"; cat; exit 7', environment: { V: AWKWARD, W: "" } };
    const { output, stderr, status } = run(shell, reader, program, input);
    expect(output?.equals(Buffer.concat([Buffer.from(AWKWARD), input]))).toBe(true);
    expect([stderr, status]).toEqual(["", 7]);
  });

  test("the command is a script like any other", () => {
    const command = "set -- a b\nfor x in $@; do\n  echo \"<$x>\"\ndone\ntrap 'echo bye' EXIT\nfalse";
    const { output, status } = run(shell, reader, { command });
    expect([output?.toString(), status]).toEqual(["<a>\n<b>\nbye\n", 1]);
    expect(run(shell, reader, { command: "echo 'unclosed" }).status).not.toBe(0);
    expect(run(shell, reader, { command: "kill -9 $$" }).status).toBeNull();
    expect(run(shell, reader, { command: "set | grep -c ^_mf_" }).output?.toString()).toBe("0\n");
  });

  test("directory and interpreter", () => {
    const inTmp = { directory: "/usr/../tmp", environment: { CDPATH: "/" } };
    expect(run(shell, reader, { ...inTmp, command: "pwd -P" }).output?.toString()).toBe("/tmp\n");
    expect(run(shell, reader, { command: "pwd -P", directory: "~" }).output?.toString()).toBe("/tmp\n");
    const missing = run(shell, reader, { command: "echo ran", directory: "~/no such 'place" });
    expect([missing.output?.toString(), missing.status === 0]).toEqual(["", false]);
    expect(missing.stderr).toContain("no such 'place");
    const awk = { interpreter: ["awk", "-F", "'"], command: '{ print "<" $2 ">" }' };
    expect(run(shell, reader, awk, Buffer.from("a'b c'd\n")).output?.toString()).toBe("<b c>\n");
  });

  test("a program that breaks off is not begun", () => {
    const text = renderProgram({ command: "echo ran" }, TOKEN, reader);
    const [file, ...args] = [...shell, "-c", renderReader(reader, TOKEN, text)];
    const { stdout, status } = spawnSync(file, args, { input: text.slice(0, -3) });
    expect([stdout.toString(), status]).toEqual(["", NOT_READ]);
  });
});

test("a long program travels as a block, as far as the server can", () => {
  expect(chooseReader("x".repeat(10_000), "block")).toBe("block");
  expect(chooseReader("x", "block")).toBe("lines");
  expect(chooseReader("x".repeat(10_000), "lines")).toBe("lines");
  expect([nextReader("block"), nextReader("lines"), nextReader("shell")]).toEqual(["lines", "shell", undefined]);
  const command = `: ${"x".repeat(300_000)}\necho done`; // longer than any argument may be
  expect(run(["/bin/bash"], "block", { command }).output?.toString()).toBe("done\n");
});

test("what sshd is asked to run holds neither command nor environment", () => {
  const program = { command: "echo geheim1", environment: { TOKEN: "geheim2" }, directory: "/geheim3" };
  for (const reader of ["block", "lines", "shell"] as const)
    expect(renderReader(reader, TOKEN, renderProgram(program, TOKEN, reader))).not.toContain("geheim");
});

describe("the end of a command", () => {
  const stubborn = `trap "" TERM; while :; do sleep 0.2; done`;
  const command = `sh -c '${stubborn}' & sleep 60 | sleep 60 & echo begun; wait`;

  test.each([
    ["in a group of its own", true],
    ["in its server's group, as under dropbear", false],
  ])("%s", async (_name, detached) => {
    const child = spawn("/bin/sh", ["-c", command], { detached, stdio: ["ignore", "pipe", "ignore"] });
    await once(child.stdout, "data");
    const closed = once(child.stdout, "close"); // once the last process that holds it has ended
    const { status } = spawnSync("/bin/sh", ["-c", renderEnd(child.pid ?? -1)]);
    expect(status).toBe(0);
    await closed;
  });

  test("of one that has ended already does nothing", () => {
    const { pid } = spawnSync("/bin/true");
    const folder = mkdtempSync(join(tmpdir(), "mayfly end "));
    try {
      writeFileSync(join(folder, "sleep"), `#!/bin/sh\necho >>"${folder}/pauses"\n`, { mode: 0o755 });
      const { status } = spawnSync("/bin/sh", ["-c", renderEnd(pid)], {
        env: { PATH: `${folder}:${String(process.env["PATH"])}` },
      });
      expect([status, readFileSync(join(folder, "pauses"), "utf8")]).toEqual([0, "\n"]); // one look, not twenty
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  const asRoot = process.getuid?.() === 0 ? test : test.skip;

  /** A command of nobody's that runs something as root, as by sudo; and what ends it, as nobody too. */
  async function endForNobody(sudo: string) {
    const folder = mkdtempSync(join(tmpdir(), "mayfly-end-"));
    chmodSync(folder, 0o755);
    // Whoever calls this sudo has its words run by a shell of root's.
    writeFileSync(join(folder, "sudo"), `#!/bin/sh\nshift\n${sudo.replace("WORDS", join(folder, "words"))}\n`, {
      mode: 0o755,
    });
    spawnSync("mkfifo", ["-m", "666", join(folder, "words")]);
    const root = spawn("/bin/sh", ["-c", `exec /bin/sh <>'${join(folder, "words")}'`], { stdio: "ignore" });
    const nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", "/bin/sh", "-c"];
    const mixed = `setpriv ${nobody.join(" ")} 'trap "" TERM; echo; while :; do sleep 1; done' & exec sleep 60`;
    const child = spawn("/bin/sh", ["-c", mixed], { detached: true, stdio: ["ignore", "pipe", "ignore"] });
    const group = child.pid ?? -1;
    try {
      await once(child.stdout, "data");
      const env = { PATH: `${folder}:${String(process.env["PATH"])}` };
      const ender = spawn("setpriv", [...nobody, renderEnd(group)], { env, stdio: ["ignore", "pipe", "ignore"] });
      let printed = "";
      ender.stdout.on("data", (chunk: Buffer) => (printed += chunk.toString()));
      const [status] = (await once(ender, "close")) as [number];
      const left = spawnSync("grep", ["-q", "^State:.[^ZX]", `/proc/${String(group)}/status`]).status === 0;
      return { status, group, left, survivors: readSurvivors(status, printed) };
    } finally {
      spawnSync("kill", ["-KILL", "--", `-${String(group)}`]);
      root.kill("SIGKILL");
      rmSync(folder, { recursive: true });
    }
  }

  asRoot("of which something runs as root takes it along by sudo", async () => {
    expect(await endForNobody('echo "$@" >WORDS')).toMatchObject({ status: 0, left: false, survivors: [] });
  });

  asRoot("of which something runs as root, without sudo, says what is left", async () => {
    const { status, group, left, survivors } = await endForNobody("exit 1");
    expect([status, left, survivors]).toEqual([1, true, [group]]);
  });

  test("is told from what start-up files print", () => {
    expect(readSurvivors(1, "12 updates available\n47 11\n")).toEqual([47, 11]);
    expect(readSurvivors(1, "12 updates available\n\x1b]0;web-1\x0747\n")).toEqual([47]); // a title has no end of line
    expect(readSurvivors(1, "12 updates available\n")).toEqual([]);
    expect(readSurvivors(0, "Uptime: 12\n")).toEqual([]);
  });
});
