import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { PassThrough, Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { until } from "../../../provider/host/until";
import { Ssh, type ExecRequest, type ExecResult } from "../../../provider/ssh/ssh";
import { Sshd } from "../../support/sshd";

const ssh = new Ssh();
const soon = () => AbortSignal.timeout(30_000);
let server: Sshd;

beforeAll(async () => {
  server = await Sshd.start();
});
afterAll(async () => {
  await ssh.close();
  await server[Symbol.asyncDispose]();
});

async function exec(request: ExecRequest, on: Sshd = server): Promise<ExecResult> {
  return ssh.exec(on.endpoint, request, soon());
}

/** A word that stands in the arguments of a test's processes and nowhere else. */
function marker(): string {
  return `mark${randomBytes(6).toString("hex")}`;
}

/** The processes that have the word in their arguments. */
function processesWith(word: string): number[] {
  return execFileSync("ps", ["-eo", "pid,args"], { encoding: "utf8" })
    .split("\n")
    .filter((line) => line.includes(word))
    .map((line) => Number.parseInt(line, 10));
}

async function untilProcesses(word: string, count: number): Promise<void> {
  await until(
    `${String(count)} processes with ${word}`,
    async () => processesWith(word).length === count || undefined,
    {
      signal: AbortSignal.timeout(5_000),
      diagnose: () => ({ evidence: execFileSync("ps", ["-ef"], { encoding: "utf8" }), remedy: "see exec.ts" }),
    },
  );
}

describe("a command", () => {
  test("gives back what it printed, its exit code, its signal", async () => {
    const { stdout, stderr, exitCode, signal, durationSeconds } = await exec({
      command: "echo out; echo err >&2; exit 3",
    });
    expect([stdout, stderr, exitCode, signal]).toEqual(["out\n", "err\n", 3, undefined]);
    expect(durationSeconds).toBeGreaterThan(0);
    expect(await exec({ command: "kill -KILL $$" })).toMatchObject({ exitCode: undefined, signal: "SIGKILL" });
    expect(await exec({ command: "" })).toMatchObject({ exitCode: 0, stdout: "" });
    await expect(exec({ command: "a\0b" })).rejects.toMatchObject({ code: "BAD_INPUT" });
    const injected = { "A=1; echo ran; B": "" };
    await expect(exec({ command: "true", environment: injected })).rejects.toMatchObject({ code: "BAD_INPUT" });
    await expect(exec({ command: "true", environment: { A: "\0" } })).rejects.toMatchObject({ code: "BAD_INPUT" });
  });

  test("runs in its directory, by its interpreter", async () => {
    expect((await exec({ command: "pwd", directory: "/usr" })).stdout).toBe("/usr\n");
    expect((await exec({ command: "pwd", directory: "~" })).stdout).toBe(`${server.folder}/home\n`);
    const missing = await exec({ command: "echo ran", directory: "/no/such" });
    expect([missing.stdout, missing.exitCode]).toEqual(["", 1]);
    expect(missing.stderr).toContain("/no/such");
    const perl = await exec({
      interpreter: ["perl", "-e"],
      command: 'print "$ENV{A}@{[6*7]}"',
      environment: { A: "=" },
    });
    expect(perl.stdout).toBe("=42");
    expect((await exec({ interpreter: ["/no/such"], command: "x" })).exitCode).toBe(127);
  });

  test("with 1 MiB of random bytes in and out", async () => {
    const bytes = randomBytes(1_048_576);
    const hash = createHash("sha256").update(bytes).digest("hex");
    const echoed = await exec({ command: "cat", stdin: bytes });
    expect(echoed.bytes.stdout.equals(bytes)).toBe(true);
    const streamed = await exec({
      command: "sha256sum; cat /etc/hostname >&2",
      stdin: Readable.from([bytes, bytes.subarray(0, 0)]),
    });
    expect(streamed.stdout).toContain(hash);
    const text = await exec({ command: "wc -c", stdin: "ü\n\n" });
    expect(text.stdout.trim()).toBe("4");
    expect((await exec({ command: "wc -c" })).stdout.trim()).toBe("0");
  });

  test("that does not read its input ends all the same", async () => {
    expect((await exec({ command: "exec true", stdin: randomBytes(8_388_608) })).exitCode).toBe(0);
    const endless = Readable.from(
      (async function* () {
        for (;;) yield await Promise.resolve(Buffer.alloc(65_536));
      })(),
    );
    expect((await exec({ command: "head -c 100000 | wc -c", stdin: endless })).stdout.trim()).toBe("100000");
    endless.destroy();
  });

  test("whose input breaks off is ended, and fails with what went wrong there", async () => {
    const word = marker();
    const broken = Readable.from(
      (async function* () {
        yield await Promise.resolve("half");
        throw new Error("the disk is gone");
      })(),
    );
    await expect(exec({ command: `exec -a ${word} cat`, stdin: broken })).rejects.toThrow("the disk is gone");
    await untilProcesses(word, 0);
  });

  test("has its environment, which no process shows in its arguments", async () => {
    const secret = marker();
    const environment = {
      A: `it's "${secret}"\n\n$HOME \\ *`,
      UNICODE: "ünï 🦋",
      EMPTY: "",
      LONG: "x".repeat(100_000),
    };
    const command = `printf '%s|' "$A" "$UNICODE" "\${EMPTY-unset}"; echo \${#LONG}; sleep 1.5; : ${secret}`;
    const running = exec({ command, environment });
    await sleep(700);
    const shown = readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map((pid) => {
        try {
          return readFileSync(`/proc/${pid}/cmdline`, "utf8");
        } catch {
          return ""; // it ended meanwhile
        }
      });
    expect(shown.filter((text) => text.includes(secret))).toEqual([]);
    expect(shown.filter((text) => text.includes("sleep\x001.5"))).toHaveLength(1);
    const { A, UNICODE } = environment;
    expect((await running).stdout).toBe(`${A}|${UNICODE}||100000\n`);
  });

  test("tells its lines while it runs, characters whole", async () => {
    const lines: [string, string][] = [];
    await exec({
      command: "printf 'ü'; sleep 0.5; printf '\\303'; sleep 0.3; printf '\\274\\r\\nlast'; echo err >&2",
      onLine: (line, stream) => lines.push([line, stream]),
    });
    expect(lines.sort()).toEqual([
      ["err", "stderr"],
      ["last", "stdout"],
      ["üü", "stdout"],
    ]);
    const stdin = new PassThrough(); // it goes on only when its first line was told
    const live = await exec({ command: "echo a; read -r word; echo b", stdin, onLine: () => stdin.end("on\n") });
    expect([live.exitCode, live.stdout]).toEqual([0, "a\nb\n"]);
  });

  test("may leave something in the background that holds its output", async () => {
    const word = marker();
    const { stdout, exitCode } = await exec({ command: `(exec -a ${word} sleep 60) & echo started` });
    expect([stdout, exitCode]).toEqual(["started\n", 0]);
    expect(processesWith(word)).toHaveLength(1); // its end was not waited for
    for (const pid of processesWith(word)) process.kill(pid);
  });
});

describe("limits", () => {
  test("a timeout ends the whole process group", async () => {
    const word = marker();
    const command = `(exec -a ${word} sleep 60) | (exec -a ${word} sleep 60) & (trap '' TERM; exec -a ${word} bash -c 'trap "" TERM; while :; do sleep 1; done') & wait`;
    const running = exec({ command, timeout: 1 });
    await untilProcesses(word, 3);
    const { endedBy, exitCode } = await running;
    expect([endedBy, exitCode]).toEqual(["timeout", undefined]);
    await untilProcesses(word, 0);
    expect((await exec({ command: "echo fine" })).stdout).toBe("fine\n");
  });

  test("a timeout ends it also where the server takes no other session beside it", async () => {
    await using strict = await Sshd.start({ config: ["MaxSessions 1"] });
    const word = marker();
    const running = exec({ command: `exec -a ${word} sleep 60`, timeout: 1 }, strict);
    await untilProcesses(word, 1);
    expect((await running).endedBy).toBe("timeout");
    await untilProcesses(word, 0);
  });

  test("what was ended has no survivors, whatever the login shell's start-up files print", async () => {
    await using chatty = await Sshd.start({
      config: [`ForceCommand echo "12 updates available"; eval "$SSH_ORIGINAL_COMMAND"`],
    });
    const word = marker();
    // Something that is none of the command's group holds the output, so that the command's own end does not decide.
    const command = `setsid bash -c 'exec -a ${word} sleep 60' & exec sleep 60`;
    try {
      expect(await exec({ command, timeout: 0.5 }, chatty)).toMatchObject({ endedBy: "timeout", survivors: [] });
    } finally {
      for (const pid of processesWith(word)) process.kill(pid, "SIGKILL");
    }
  });

  test("what could not be ended is told, and is the error where the signal was to end it", async () => {
    // A guest in which nothing can be ended, for the lack of sudo.
    const config = [
      `ForceCommand case $SSH_ORIGINAL_COMMAND in *kill*) echo 47 11; exit 1;; *) eval "$SSH_ORIGINAL_COMMAND";; esac`,
    ];
    await using helpless = await Sshd.start({ config });
    const word = marker();
    const command = `exec -a ${word} sleep 60`;
    try {
      expect(await exec({ command, timeout: 0.5 }, helpless)).toMatchObject({
        endedBy: "timeout",
        survivors: [47, 11],
      });
      const controller = new AbortController();
      const onStart = () => {
        controller.abort(new Error("enough"));
      };
      const ending = ssh.exec(helpless.endpoint, { command, onStart }, controller.signal);
      await expect(ending).rejects.toMatchObject({
        code: "COMMAND_FAILED",
        evidence: "enough",
        message: expect.stringContaining("of its processes 47 11 run on there"),
      });
    } finally {
      for (const pid of processesWith(word)) process.kill(pid, "SIGKILL");
    }
  });

  test("a timeout of years does not fire at once", async () => {
    expect((await exec({ command: "echo x", timeout: 1e8 })).stdout).toBe("x\n");
  });

  test("the signal ends it too, with its own reason", async () => {
    const word = marker();
    const controller = new AbortController();
    const reason = new Error("enough");
    const running = ssh.exec(server.endpoint, { command: `exec -a ${word} sleep 60` }, controller.signal);
    await untilProcesses(word, 1);
    controller.abort(reason);
    await expect(running).rejects.toBe(reason);
    await untilProcesses(word, 0);
    await expect(ssh.exec(server.endpoint, { command: "true" }, controller.signal)).rejects.toBe(reason);
  });

  test("more output than may be kept ends it", async () => {
    const word = marker();
    const result = await exec({ command: `exec -a ${word} yes`, maxOutputBytes: 100_001 });
    expect([result.endedBy, result.exitCode]).toEqual(["outputLimit", undefined]);
    expect(result.bytes.stdout).toHaveLength(100_001);
    await untilProcesses(word, 0);
    const enough = await exec({ command: "head -c 100001 /dev/zero >&2", maxOutputBytes: 100_001 });
    expect([enough.endedBy, enough.exitCode, enough.bytes.stderr.length]).toEqual([undefined, 0, 100_001]);
  });
});

describe("login shells", () => {
  const shells = [
    ["dash", "exec /bin/dash -c"],
    ["busybox ash", "exec /bin/busybox ash -c"],
    ["one with noisy start-up files", "echo Welcome; printf 'no newline'; exec bash -c"],
    ["one that is no POSIX shell", `case $SSH_ORIGINAL_COMMAND in "exec /bin/sh"*);;*) exit 0;;esac; exec bash -c`],
    ["one without dd's fullblock", `PATH=/nowhere; exec /bin/bash -c`],
  ] as const;
  test.each(shells)("%s", async (_name, start) => {
    await using odd = await Sshd.start({ config: [`ForceCommand ${start} "$SSH_ORIGINAL_COMMAND"`] });
    const environment = { A: 'it\'s\n"ü"', LONG: "x".repeat(20_000) };
    const command = 'printf "%s" "$A" "${#LONG}"; while read -r l; do echo "<$l>"; done; exit 4';
    for (let round = 0; round < 2; round += 1) {
      const { stdout, exitCode } = await exec({ command, environment, stdin: Readable.from(["a\nb\n"]) }, odd);
      expect([stdout, exitCode]).toEqual(['it\'s\n"ü"20000<a>\n<b>\n', 4]);
    }
    expect(odd.logins).toBe(1);
  });

  test.each([
    ["nologin", "/usr/sbin/nologin"],
    ["a forced command", "echo forced; exit 0"],
    ["a shell that hangs up", "exit 1"],
  ])("%s is said to be the reason", async (_name, command) => {
    await using odd = await Sshd.start({ config: [`ForceCommand ${command}`] });
    const failed = await exec({ command: "true" }, odd).catch((thrown: unknown) => thrown);
    expect(failed).toMatchObject({ code: "CONNECT_FAILED" });
    expect((failed as Error).message).toContain("logs us in but runs no commands");
    await expect(ssh.login(odd.endpoint, soon())).rejects.toThrow("logs us in but runs no commands");
    await ssh.login(odd.endpoint, soon(), "login"); // it does that
  });
});
