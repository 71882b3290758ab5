import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { identifySelf } from "../../provider/host/process-identity";
import { CommandHome, MAIN } from "../support/command";

// What of the command needs no VM.

let command: CommandHome;

beforeAll(async () => {
  command = await CommandHome.open();
});

afterAll(async () => {
  await command[Symbol.asyncDispose]();
});

const mayfly = async (...args: string[]) => command.run(...args);

test("completion, in the shells themselves", async () => {
  const bin = join(command.home, "bin");
  await mkdir(bin);
  await writeFile(join(bin, "mayfly"), `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`, { mode: 0o755 });
  const path = `export PATH='${bin}':"$PATH"`;
  const starts: Readonly<Record<string, readonly [words: string[], line: string]>> = {
    bash: [["--norc", "--noprofile"], `${path}; source <(mayfly completion bash); echo rea''dy`],
    zsh: [["-f"], `${path}; autoload -U compinit; compinit -u -D; source <(mayfly completion zsh); echo rea''dy`],
    fish: [["--no-config"], `set -x PATH '${bin}' $PATH; mayfly completion fish | source; echo rea''dy`],
  };
  for (const [shell, [words, line]] of Object.entries(starts)) {
    const terminal = command.shell(shell, ...words);
    terminal.type(`${line}\r`);
    await terminal.shows(/ready/);
    terminal.type("mayfly run --mem\t");
    await terminal.shows(/run --memory/);
    terminal.type("\u0015mayfly key rot\t");
    await terminal.shows(/key rotate/);
    terminal.type("\u0015exit\r");
    expect(await terminal.end()).toBe(0);
  }
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
  expect(await mayfly("exec", "dev", "-w", "/tmp", "pwd")).toMatchObject({
    code: 2,
    err: "error: -w: must be a program; options of mayfly exec go before dev\n",
  });
  expect(await mayfly("exec", "dev", "--", "")).toMatchObject({
    code: 2,
    err: expect.stringMatching(/name what is to run/),
  });
  expect(await mayfly("cp", "nosuch", "dev:/root")).toMatchObject({
    code: 2,
    err: "error: ./nosuch: there is no such file on this host\n",
  });
  expect(await mayfly("wait", "dev", "--for", "running", "--timeout", "1s")).toMatchObject({
    code: 124,
    err: "time is up, and not all are running: dev\n",
  });
  expect(await mayfly("run", "--json")).toMatchObject({ code: 2, err: expect.stringMatching(/--json .*: with -d/) });
  expect(await mayfly("ssh", "typo")).toMatchObject({ code: 125, err: expect.stringMatching(/there is no VM typo/) });
  for (const args of [["ssh"], ["run", "--execute", "false"], ["run", "--rm", "--execute", "false"]])
    expect(await mayfly(...args, "localhost/nope:x")).toMatchObject({ code: 125, err: expect.stringMatching(/nope/) });
});

test("when nobody reads on it ends, without a word; with one where it can't print", async () => {
  for (const args of [
    ["run", "--help"],
    ["ls", "--json"],
  ]) {
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.destroy();
    const said: Buffer[] = [];
    child.stderr.on("data", (part: Buffer) => said.push(part));
    const [code] = (await once(child, "close")) as [number | null];
    expect([Buffer.concat(said).toString(), code]).toEqual(["", 141]);
  }
  const full = openSync("/dev/full", "w");
  const { status, stderr } = spawnSync(process.execPath, [MAIN, "ls"], { stdio: ["ignore", full, "pipe"] });
  closeSync(full);
  expect([status, stderr.toString()]).toEqual([1, "error: cannot print: ENOSPC: no space left on device, write\n"]);
});

test("so it does in the midst of its work, with the same codes", async () => {
  const data = join(command.home, "data");
  const made = identifySelf(); // stands in for qemu, so that the log is followed
  const owner = { project: "", stack: "", resource: "lasting" };
  const record = { owner, phase: "committed", madeBy: made, qemu: made, createdAt: 0, image: "debian" };
  await mkdir(join(data, "machines", "lasting-1", "shared"), { recursive: true });
  await mkdir(join(data, "records", "machines"), { recursive: true });
  await writeFile(join(data, "machines", "lasting-1", "console.log"), "2026-01-01T00:00:00Z stdout F hello\n");
  await writeFile(join(data, "records", "machines", "lasting-1.json"), JSON.stringify(record));
  const following = command.start(["logs", "--follow", "lasting"]);
  following.process.stdout?.destroy();
  expect(await following.ended).toMatchObject({ code: 141, err: "" });
  const terminal = command.shell("sh", "-c", `"${process.execPath}" "${MAIN}" logs --follow lasting >/dev/full`);
  expect(await terminal.end()).toBe(1);
  const question = command.terminal("rm", "--all");
  await question.shows(/Remove lasting\? \[y\/N\]/);
  question.type("\u0003");
  expect(await question.end()).toBe(130);
  expect(question.text).not.toMatch(/error/);
  await rm(join(data, "records", "machines", "lasting-1.json"));
});

test("to say its version, or to help, it loads nothing heavy", async () => {
  const hook = join(command.home, "loaded.cjs");
  await writeFile(hook, 'process.on("exit", () => console.error(Object.keys(require.cache).join("\\n")));\n');
  const loaded = (...args: string[]) => {
    const { stderr } = spawnSync(process.execPath, ["--require", hook, MAIN, ...args]);
    return stderr.toString().trim().split("\n");
  };
  expect(loaded("--version").map((path) => basename(path))).toEqual([
    ...["loaded.cjs", "main.js", "node-version.js", "exit-codes.js", "output.js", "version.js"],
  ]);
  const packages = loaded("run", "--help").flatMap((path) => /node_modules\/([^/]+)/.exec(path)?.[1] ?? []);
  expect([...new Set(packages)]).toEqual(["commander"]);
});
