import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { processesOf, self } from "./callers";
import { eventually } from "./eventually";
import { makeHome } from "./home";
import { shareMachineParts } from "./shared";

/** The command, as `npm run build` has compiled it. */
export const MAIN = join(__dirname, "..", "..", "sdk", "dist", "cli", "main.js");

/** Seconds that a test waits for what takes a few, on a host that is busy. */
export const PATIENCE = 300;

/** What the command tells of a step that takes more than ten seconds: how slow the host is, no test shall depend on. */
const PROGRESS = /^.*(?:…(?: [\d.]+ s)?|: done in [\d.]+ s)\n/gm;

/** How a program has ended, and what it has said. */
export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** A program that goes on until it is told. */
export interface Running {
  readonly process: ChildProcess;
  readonly ended: Promise<Ended>;
}

/** The command as a process, with a folder to work in and a data folder of its own. */
export class CommandHome implements AsyncDisposable {
  private constructor(
    readonly home: string,
    private readonly environment: NodeJS.ProcessEnv,
  ) {}

  /** Makes the folders. */
  static async open(): Promise<CommandHome> {
    const home = makeHome("cli");
    const data = join(home, "data");
    await mkdir(data);
    execFileSync("chmod", ["711", home, data]); // as /var/lib/mayfly is
    await shareMachineParts(data);
    return new CommandHome(home, { ...process.env, MAYFLY_HOME: data, NO_COLOR: "1" });
  }

  /** Runs the command to its end. */
  async run(...args: string[]): Promise<Ended> {
    return this.start(args).ended;
  }

  /** Starts the command, with something to read. */
  start(args: readonly string[], input = ""): Running {
    const child = spawn(process.execPath, [MAIN, ...args], { env: this.environment, cwd: this.home });
    const said = { out: "", err: "" };
    child.stdout.on("data", (text: Buffer) => (said.out += text.toString()));
    child.stderr.on("data", (text: Buffer) => (said.err += text.toString()));
    child.stdin.end(input);
    const ended = once(child, "close").then(([code]: (number | null)[]) => {
      return { code: code ?? null, out: said.out, err: said.err.replaceAll(PROGRESS, "") };
    });
    return { process: child, ended };
  }

  /** Opens a pseudo-terminal with the command in it. */
  terminal(...args: string[]): Terminal {
    return this.shell(process.execPath, MAIN, ...args);
  }

  /** Opens one with another program in it. */
  shell(...words: string[]): Terminal {
    return new Terminal(words, { env: this.environment, cwd: this.home });
  }

  /** Removes what is left of VMs and folders; throws where a process is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.run("rm", "--all", "--force");
    const left = () => processesOf(self, this.home);
    await eventually(
      "no process is left",
      PATIENCE,
      () => left().length === 0,
      () => left().join(", "),
    );
    await rm(this.home, { recursive: true, force: true });
  }
}

/** A program in a pseudo-terminal, with hands on its keys. */
export class Terminal {
  readonly process: ChildProcess;
  text = "";

  constructor(words: readonly string[], options: { readonly env: NodeJS.ProcessEnv; readonly cwd: string }) {
    const line = words.map((word) => `'${word}'`).join(" ");
    const args = ["--quiet", "--flush", "--return", "--command", `exec ${line}`, "/dev/null"];
    const child = spawn("script", args, options);
    child.stdout.on("data", (text: Buffer) => (this.text += text.toString()));
    this.process = child;
  }

  /** Presses keys. */
  type(keys: string): void {
    this.process.stdin?.write(keys);
  }

  /** Waits until the screen has shown something. */
  async shows(pattern: RegExp): Promise<void> {
    const seen = () => pattern.test(this.text);
    await eventually(`${String(pattern)} on the terminal`, PATIENCE, seen, () => this.text);
  }

  /** Waits for its end. Returns the exit code. */
  async end(): Promise<number | null> {
    if (this.process.exitCode === null) await once(this.process, "exit");
    return this.process.exitCode;
  }
}
