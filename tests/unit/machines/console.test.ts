import { expect, jest, test } from "@jest/globals";
import type * as Files from "node:fs";
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { ConsoleWatch, consoleText, fatalConsoleText, lastLines } from "../../../provider/machines/console";
import { readConsole } from "../../../provider/machines/inspection";

const line = (kind: "F" | "P", text: string) => `2026-11-24T02:05:04.522855256+00:00 stdout ${kind} ${text}`;

test("parts of a line are joined, carriage returns and escapes go", () => {
  const log = [
    line("P", "Kernel pa"),
    line("P", "nic - not syncing"),
    line("F", ": oops\r"),
    line("F", "\u001b[0;1mnext\u001bc\u001b[?7l\r\u009b2J\u009d"), // the last two of 8 bits
  ];
  expect(consoleText(`${log.join("\n")}\n`)).toBe("Kernel panic - not syncing: oops\nnext\n");
});

test.each([
  ["mayfly: cannot boot: the identity disk is missing", "the identity disk is missing"],
  ["[    3.44] Kernel panic - not syncing: Attempted to kill init!", "the kernel panicked: Attempted to kill init!"],
  ["Missing operating system.\nNo bootable device.", "there is no boot loader on the disk"],
  ["UEFI Interactive Shell v2.2", "there is no loader for x86-64 on the disk's EFI system partition"],
  ["You are in emergency mode. After logging in", "systemd went into emergency mode"],
  ["error: no such partition.\nEntering rescue mode...", "GRUB does not find its files on the disk (grub rescue)"],
])("a hopeless console is told from a slow one: %s", (text, reason) => {
  expect(fatalConsoleText(`booting\n${text}\n`)).toBe(reason);
});

test("a line without end is cut where it is shown, and where it tells why a boot has ended", () => {
  const endless = "x".repeat(1_000_000);
  expect(lastLines(`one\ntwo\n${endless}\n`, 2)).toBe(`two\n${"x".repeat(1_000)}…`);
  expect(fatalConsoleText(`mayfly: cannot boot: ${endless}\n`)).toBe(`${"x".repeat(1_000)}…`);
  expect(readConsole(endless).last).toHaveLength(1_001); // diagnose searches it for what the kernel says, in quadratic time
});

test("an ordinary console is not hopeless", () => {
  expect(fatalConsoleText("mayfly: starting /sbin/init\nDebian GNU/Linux 12 web ttyS0\n\nweb login: ")).toBeUndefined();
});

test.each(["grub> ", "grub rescue> ", "grub>", "   grub> "])(
  "GRUB's prompt, which has no end of line: %j",
  (prompt) => {
    const log = `${line("F", "GNU GRUB  version 2.06\r")}\n${line("P", `\u001b[0m\u001b[6;1H${prompt}`)}\n`;
    expect(fatalConsoleText(consoleText(log))).toBe("GRUB has nothing to boot, and waits at its prompt");
  },
);

test.each([
  "GNU GRUB  version 2.06\n*Debian GNU/Linux\nUse the arrows to select, `e' to edit, `c' for a command-line",
  "GRUB loading.\nWelcome to GRUB!\n\n",
  "grub> \nLoading Linux 6.1 ...\n",
  "web login: root\nroot@grub> ",
  "echo grub>file",
])("what GRUB's prompt is not: %j", (text) => {
  expect(fatalConsoleText(text)).toBeUndefined();
});

test("a line that is not whole yet tells nothing", () => {
  expect(fatalConsoleText("booting\nKernel panic - not syncing: Attem")).toBeUndefined();
});

test("a reason that comes in parts is told when it is whole", async () => {
  const folder = mkdtempSync(join(tmpdir(), "mayfly-console-"));
  const log = join(folder, "console.log");
  writeFileSync(log, `${line("P", "Kernel panic - not syncing: Attempted")}\n`);
  try {
    using watch = new ConsoleWatch(log);
    let told: string | undefined;
    const telling = watch.fatal.then((reason) => (told = reason));
    for (let turns = 0; turns < 200; turns += 1) await turn(); // time enough to read what is there
    expect(told).toBeUndefined();
    appendFileSync(log, `${line("F", " to kill init!\r")}\n`);
    expect(await telling).toBe("the kernel panicked: Attempted to kill init!");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a log that conmon has begun anew, at its greatest size, is read from its beginning", async () => {
  const folder = mkdtempSync(join(tmpdir(), "mayfly-console-"));
  const log = join(folder, "console.log");
  const flood = `${line("F", "flood\r")}\n`.repeat(1_000);
  writeFileSync(log, flood);
  try {
    using watch = new ConsoleWatch(log);
    for (let turns = 0; turns < 200; turns += 1) await turn(); // time enough to read what is there
    writeFileSync(log, `${line("F", "Kernel panic - not syncing: oops\r")}\n`);
    expect(await watch.fatal).toBe("the kernel panicked: oops");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.each(["ENOSPC", "EMFILE"])("a console is followed, too, where watching fails with %s", async (code) => {
  const folder = mkdtempSync(join(tmpdir(), "mayfly-console-"));
  const log = join(folder, "console.log");
  const watching = jest.spyOn(jest.requireActual<typeof Files>("node:fs"), "watch").mockImplementation(() => {
    throw Object.assign(new Error(`${code}: no more`), { code, syscall: "watch" });
  });
  try {
    using watch = new ConsoleWatch(log);
    writeFileSync(log, `${line("F", "Kernel panic - not syncing: oops\r")}\n`);
    expect(await watch.fatal).toBe("the kernel panicked: oops");
    expect(watching).toHaveBeenCalled();
  } finally {
    watching.mockRestore();
    rmSync(folder, { recursive: true });
  }
});

test("a console that can't be opened just now is read when it can", async () => {
  const folder = mkdtempSync(join(tmpdir(), "mayfly-console-"));
  const log = join(folder, "console.log");
  const real = jest.requireActual<typeof Files>("node:fs");
  const opening = jest.spyOn(real, "createReadStream").mockImplementationOnce(() => {
    throw Object.assign(new Error("EMFILE: too many open files"), { code: "EMFILE" });
  });
  writeFileSync(log, `${line("F", "Kernel panic - not syncing: oops\r")}\n`);
  try {
    using watch = new ConsoleWatch(log);
    expect(await watch.fatal).toBe("the kernel panicked: oops");
    expect(opening).toHaveBeenCalledTimes(2);
  } finally {
    opening.mockRestore();
    rmSync(folder, { recursive: true });
  }
});
