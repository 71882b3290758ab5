import { mkdir, readFile, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { self } from "./callers";
import { makeSite, Stack, type Ended, type RunOptions, type Site } from "./stack";

const ROOT = join(__dirname, "..", "..");

/** How a run of `pulumi` ended. */
export interface Run extends Ended {
  /** What it did (or, of a preview, would do) to each resource: `web: create`, sorted; what stays as it is left out. */
  readonly steps: readonly string[];
}

/**
 * A stack whose program is written by a test. Several VMs of one program have one CPU each: emulated CPUs of a guest that
 * share one of the host's wait for each other, at its cost.
 */
export class Program extends Stack {
  private runs = 0;

  private constructor(
    site: Site,
    readonly name: string,
  ) {
    super(site, join(site.home, "program"), {
      PULUMI_DEBUG_COMMANDS: "true", // has --event-log
      MAYFLY_TEST_PLAIN_JAVASCRIPT: "true",
    });
  }

  /** Makes the project. Its name, unlike its folder, labels the containers of its machines. */
  static async open(name: string): Promise<Program> {
    const program = new Program(await makeSite(self), `${name}-${String(process.pid)}`);
    const modules = join(program.folder, "node_modules");
    await mkdir(join(modules, "@pulumi"), { recursive: true });
    await symlink(join(ROOT, "sdk"), join(modules, "pulumi-mayfly"));
    await symlink(join(ROOT, "node_modules", "@pulumi", "pulumi"), join(modules, "@pulumi", "pulumi"));
    const project = { name: program.name, runtime: { name: "nodejs", options: { typescript: false } } };
    await writeFile(join(program.folder, "Pulumi.yaml"), JSON.stringify(project));
    await writeFile(join(program.folder, "package.json"), JSON.stringify({ main: "index.js" }));
    await program.write("");
    await program.init();
    return program;
  }

  /** Writes the program: its body, with `mayfly` and `pulumi` imported. `exports.x` is an output. */
  async write(body: string): Promise<void> {
    const imports = 'const mayfly = require("pulumi-mayfly");\nconst pulumi = require("@pulumi/pulumi");\n';
    await writeFile(join(this.folder, "index.js"), imports + body);
  }

  /** Runs `pulumi` on the stack; a failure is an answer. */
  async try(args: readonly string[], options: RunOptions = {}): Promise<Run> {
    const log = join(this.home, `events-${String(this.runs++)}.json`);
    const events = ["up", "preview", "refresh", "destroy"].includes(args[0] ?? "") ? ["--event-log", log] : [];
    return { ...(await this.execute([...args, ...events], options)), steps: await stepsIn(log) };
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
