import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import type { Socket } from "node:net";
import { basename, dirname } from "node:path";

import { sharedFolder, type Paths } from "../host/paths";
import { connectInFolder } from "../host/sockets";
import { watchFolder } from "../host/watch-folder";

const SOCKET = "console.sock"; // in the machine's shared folder; `qemu-command.ts` has it too

/** Connects to a machine's serial console, to be read and written. qemu serves one at a time: others wait. */
export async function connectConsole(paths: Pick<Paths, "machines">, id: string, signal: AbortSignal): Promise<Socket> {
  return connectInFolder(sharedFolder(paths, id), SOCKET, signal);
}

/** One line of podman's `k8s-file` log: time, stream, `F` (whole line) or `P` (a part), text. */
const LOG_LINE = /^\S+ (?:stdout|stderr) ([FP]) ([^\n]*)$/; // not `.`, which stops at the carriage returns of a console

/** Those of 8 bits, too (ECMA-48: `\u009b` is `ESC [`), which terminals obey likewise. */
const ESCAPES =
  /(?:\u001b\[|\u009b)[0-9;?]*[A-Za-z]|\u001b[()][A-Z0-9]|\u001bc|[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

/** The console's text out of a container's log: parts joined, times and terminal escapes removed. */
export function consoleText(log: string): string {
  let text = "";
  for (const line of log.split("\n")) {
    const [, kind, part] = LOG_LINE.exec(line) ?? [];
    if (part !== undefined) text += kind === "F" ? `${part}\n` : part;
  }
  return text.replaceAll(ESCAPES, "");
}

/** The console's last lines, for evidence. Empty when there are none. */
export async function lastConsoleLines(file: string, count = 30): Promise<string> {
  const log = await readFile(file, "utf8").catch(() => "");
  return lastLines(consoleText(log), count);
}

const LONGEST = 1_000; // characters of a line that is shown or searched: a guest may write megabytes without an end of line

/** The last lines of a console's text, none longer than it is worth. Pure. */
export function lastLines(text: string, count: number): string {
  return text.trimEnd().split("\n").slice(-count).map(shorten).join("\n");
}

function shorten(line: string): string {
  return line.length <= LONGEST ? line : `${line.slice(0, LONGEST)}…`;
}

/** Console texts after which a boot can't succeed any more, and what each means. */
const FATAL: readonly (readonly [RegExp, (match: RegExpExecArray) => string])[] = [
  [/^mayfly: cannot boot: (.*)$/m, (match) => match[1] ?? ""],
  [/Kernel panic - not syncing: (.*)$/m, (match) => `the kernel panicked: ${match[1] ?? ""}`],
  [/^You are in emergency mode\./m, () => "systemd went into emergency mode"],
  // Of the firmware, where a machine boots from a disk.
  [/^No bootable device\./m, () => "there is no boot loader on the disk"],
  [/^BdsDxe: No bootable option/m, () => "there is no loader for x86-64 on the disk's EFI system partition"],
  [/^UEFI Interactive Shell/m, () => "there is no loader for x86-64 on the disk's EFI system partition"],
  [/^Entering rescue mode\.\.\./m, () => "GRUB does not find its files on the disk (grub rescue)"],
  [/^(?:.*systemd\[1\]: )?Freezing execution\.?$/m, () => "systemd froze"],
];

/** Where GRUB waits for commands, which nobody gives; a prompt has no end of line. Its menu has none. */
const GRUB_PROMPT = /(?:^|\s)grub(?: rescue)?>\s*$/;

/** Why a boot with this console cannot succeed; `undefined` while it still may, and while the line that tells is not whole. */
export function fatalConsoleText(text: string): string | undefined {
  const lines = text.slice(0, text.lastIndexOf("\n") + 1);
  for (const [pattern, meaning] of FATAL) {
    const match = pattern.exec(lines);
    if (match !== null) return shorten(meaning(match));
  }
  return GRUB_PROMPT.test(text.slice(lines.length)) ? "GRUB has nothing to boot, and waits at its prompt" : undefined;
}

const POLL_MS = 200;

/** Of the end of a log, in characters: what a kernel prints when it dies takes some thousands. */
const LOOKED_AT = 262_144;

/** Follows a console's log as it grows. */
export class ConsoleWatch implements Disposable {
  /** Resolves with the reason when the console shows that the boot cannot succeed any more; never rejects. */
  readonly fatal: Promise<string>;
  private tellFatal: (reason: string) => void = () => undefined;
  private readonly stop: () => void;
  private text = "";
  private read = 0;
  private reading: Promise<void> | undefined;
  private again = false;
  private isOver = false;

  /** @param file The container's log; may not exist yet. */
  constructor(private readonly file: string) {
    this.fatal = new Promise((resolve) => {
      this.tellFatal = resolve;
    });
    this.stop = this.follow();
    this.look();
  }

  /** Looks at each change. Where the user's watches are used up (inotify(7)), now and then: no reason for no VM. */
  private follow(): () => void {
    const stop = watchFolder(dirname(this.file), (name) => {
      if (name === basename(this.file)) this.look();
    });
    if (stop !== undefined) return stop;
    const timer = setInterval(() => this.look(), POLL_MS).unref();
    return () => clearInterval(timer);
  }

  /** Stops following. */
  [Symbol.dispose](): void {
    this.isOver = true;
    this.stop();
  }

  /** One read at a time; a change during a read is looked at after it. */
  private look(): void {
    this.again = true;
    this.reading ??= this.readAll()
      .catch(() => this.lookLater()) // no descriptor is free just now, or the folder is being removed
      .finally(() => {
        this.reading = undefined;
      });
  }

  private lookLater(): void {
    setTimeout(() => {
      if (!this.isOver) this.look();
    }, POLL_MS).unref();
  }

  private async readAll(): Promise<void> {
    while (this.again) {
      this.again = false;
      const size = (await stat(this.file).catch(() => undefined))?.size ?? 0;
      if (size < this.read) [this.text, this.read] = ["", 0]; // conmon has begun the file anew
      if (size <= this.read) continue;
      const stream = createReadStream(this.file, { start: this.read, end: size - 1, encoding: "utf8" });
      let more = "";
      for await (const part of stream) more += String(part);
      [this.text, this.read] = [(this.text + more).slice(-LOOKED_AT), size];
      const reason = fatalConsoleText(consoleText(this.text));
      if (reason !== undefined) this.tellFatal(reason);
    }
  }
}
