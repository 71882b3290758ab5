import { mkdtempSync } from "node:fs";
import { mkdir, readFile, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { shareMachineParts } from "./shared";

const ROOT = join(__dirname, "..", "..");
const STACK = "e2e";

/** How a run of `pulumi` ended. */
export interface Run {
  readonly failed: boolean;
  /** All that it printed. */
  readonly text: string;
  /** What it did (or, of a preview, would do) to each resource: `web: create`, sorted; what stays as it is left out. */
  readonly steps: readonly string[];
}

/** How `pulumi` is run. */
interface RunOptions {
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Ends the run with everything in its process group, at once. */
  readonly killSignal?: AbortSignal;
}

/** A Pulumi project whose program is written by a test, with a stack, a backend and a data folder of its own. */
export class Program implements AsyncDisposable {
  /** Folder of all that the test makes on disk. */
  readonly home = mkdtempSync(join(tmpdir(), "mayfly e2e "));
  /** The data folder: `MAYFLY_HOME`. */
  readonly data = join(this.home, "data");
  /** The program's folder; relative paths of mounts start here. */
  readonly folder = join(this.home, "program");
  private runs = 0;
  /** Whether the last thing that was done to the stack was to destroy it. */
  private isDestroyed = false;

  private constructor(readonly name: string) {}

  /** Makes the project. Its name, unlike its folder, labels the containers of its machines. */
  static async open(name: string): Promise<Program> {
    const program = new Program(`${name}-${String(process.pid)}`);
    const modules = join(program.folder, "node_modules");
    await mkdir(join(modules, "@pulumi"), { recursive: true });
    await symlink(join(ROOT, "sdk"), join(modules, "pulumi-mayfly"));
    await symlink(join(ROOT, "node_modules", "@pulumi", "pulumi"), join(modules, "@pulumi", "pulumi"));
    const project = { name: program.name, runtime: { name: "nodejs", options: { typescript: false } } };
    await writeFile(join(program.folder, "Pulumi.yaml"), JSON.stringify(project));
    await writeFile(join(program.folder, "package.json"), JSON.stringify({ main: "index.js" }));
    await program.write("");
    await shareMachineParts(program.data);
    await program.pulumi("stack", "init", STACK);
    return program;
  }

  /** Writes the program: its body, with `mayfly` and `pulumi` imported. `exports.x` is an output. */
  async write(body: string): Promise<void> {
    const imports = 'const mayfly = require("pulumi-mayfly");\nconst pulumi = require("@pulumi/pulumi");\n';
    await writeFile(join(this.folder, "index.js"), imports + body);
  }

  /** Runs `pulumi` on the stack; a failure is an answer. */
  async try(args: readonly string[], { env = {}, killSignal }: RunOptions = {}): Promise<Run> {
    const { execa } = await import("execa"); // ESM only
    const log = join(this.home, `events-${String(this.runs++)}.json`);
    const events = ["up", "preview", "refresh", "destroy"].includes(args[0] ?? "") ? ["--event-log", log] : [];
    if (args[0] === "up") this.isDestroyed = false;
    // The one that the set-up has put on PATH: npm's launcher of it costs a fifth of a second each time.
    const child = execa("pulumi", [...args, "--non-interactive", "--color", "never", ...events], {
      ...{ cwd: this.folder, all: true, reject: false },
      ...(killSignal && { detached: true }),
      env: { ...this.environment, ...env },
    });
    killSignal?.addEventListener("abort", () => child.pid !== undefined && process.kill(-child.pid, "SIGKILL"));
    const { failed, all } = await child;
    if (args[0] === "destroy") this.isDestroyed = !failed;
    return { failed, text: all, steps: await stepsIn(log) };
  }

  /** Runs `pulumi` on the stack. Rejects with all that it printed when it fails. */
  async pulumi(...args: readonly string[]): Promise<Run> {
    const run = await this.try(args);
    if (run.failed) throw new Error(`pulumi ${args.join(" ")}:\n${run.text}`);
    return run;
  }

  /** Previews, then runs `up`, and sees that the one said what the other did. */
  async up(): Promise<Run> {
    const preview = await this.pulumi("preview");
    const up = await this.upAtOnce();
    if (preview.steps.join() !== up.steps.join())
      throw new Error(`preview said ${preview.steps.join(", ")}; up did ${up.steps.join(", ")}`);
    return up;
  }

  /** Runs `up` without a preview, which takes as long again: for a change of a kind that was previewed before. */
  async upAtOnce(): Promise<Run> {
    return this.pulumi("up", "--yes", "--skip-preview");
  }

  /** The stack's outputs, secrets in clear. */
  async outputs<T>(): Promise<T> {
    const { text } = await this.pulumi("stack", "output", "--json", "--show-secrets");
    return JSON.parse(text) as T;
  }

  /** Runs another program; rejects with what it printed when it fails. */
  async run(file: string, ...args: readonly string[]): Promise<string> {
    const { execa } = await import("execa"); // ESM only
    return (await execa(file, args, { cwd: this.folder, env: this.environment, all: true })).all;
  }

  /** What is on this host of the project: containers, and whatever the data folder holds of machines. */
  async leftovers(): Promise<string[]> {
    const filter = `label=mayfly.project=${this.name}`;
    const containers = await this.run("podman", "ps", "--all", "--filter", filter, "--format", "container {{.Names}}");
    const folders = ["machines", "records/machines", "networks", "records/networks", "scratch"].map(async (folder) => {
      const names = await readdir(join(this.data, folder)).catch(() => []);
      return names.map((name) => `${folder}/${name}`);
    });
    return [...containers.split("\n").filter(Boolean), ...(await Promise.all(folders)).flat()];
  }

  /** Destroys what is left of the stack, and the project. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.isDestroyed) {
      const { failed, text } = await this.try(["destroy", "--yes", "--skip-preview"]);
      if (failed) throw new Error(`destroy left ${this.home} behind:\n${text}`);
    }
    await rm(this.home, { recursive: true, force: true });
  }

  private get environment(): Record<string, string> {
    return {
      PULUMI_BACKEND_URL: `file://${this.home}`,
      PULUMI_CONFIG_PASSPHRASE: "",
      PULUMI_SKIP_UPDATE_CHECK: "1",
      PULUMI_DEBUG_COMMANDS: "true", // has --event-log
      MAYFLY_HOME: this.data,
    };
  }
}

interface EngineEvent {
  readonly resourcePreEvent?: { readonly metadata: { readonly op: string; readonly urn: string } };
}

/** Reads the engine's events: the steps that change something, but for those of the stack itself. */
async function stepsIn(log: string): Promise<string[]> {
  const text = await readFile(log, "utf8").catch(() => "");
  await rm(log, { force: true });
  const events = text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as EngineEvent);
  return events
    .flatMap(({ resourcePreEvent: event }) => (event === undefined ? [] : [event.metadata]))
    .filter(({ op, urn }) => op !== "same" && op !== "refresh" && !urn.includes("::pulumi:"))
    .map(({ op, urn }) => `${urn.split("::").at(-1) ?? ""}: ${op}`)
    .sort();
}
