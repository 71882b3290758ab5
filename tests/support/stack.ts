import { chmod, chown, copyFile, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { asCaller, environmentOf, type Caller } from "./callers";
import { makeHome } from "./home";
import { hasKey } from "./secrets";
import { shareMachineParts } from "./shared";

/** How a run of `pulumi` ended. */
export interface Ended {
  readonly failed: boolean;
  /** All that it printed. */
  readonly text: string;
}

/** How `pulumi` is run. */
export interface RunOptions {
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Ends the run with everything in its process group, at once. */
  readonly killSignal?: AbortSignal;
}

/** Where a stack is, and who works with it. */
export interface Site {
  readonly caller: Caller;
  /** What the caller's programs get; Node starts sooner with it. */
  readonly environment: NodeJS.ProcessEnv;
  /** Folder of all that the test makes on disk. */
  readonly home: string;
  /** The data folder: `MAYFLY_HOME`; has in common with other stacks what {@link shareMachineParts} says. */
  readonly data: string;
}

/** Makes the folders of a stack. */
export async function makeSite(caller: Caller): Promise<Site> {
  const own = environmentOf(caller); // first, as it may fail
  const home = makeHome("e2e");
  await chmod(home, caller.uid === 0 ? 0o711 : 0o700); // as /var/lib/mayfly and ~/.local/share are
  await chown(home, caller.uid, caller.gid);
  const data = join(home, "data");
  await shareMachineParts(data, caller);
  return {
    caller,
    environment: { ...own, ...(await nodeOptions(home)), ...(await compiledModules(caller)) },
    home,
    data,
  };
}

/** What has each Node process of a stack load first-of-all.cjs. */
async function nodeOptions(home: string): Promise<NodeJS.ProcessEnv> {
  const first = join(home, "first-of-all.cjs"); // another user may not see into the clone
  await copyFile(join(__dirname, "first-of-all.cjs"), first);
  await chmod(first, 0o644); // whatever our umask
  return { NODE_OPTIONS: `--require "${first}"` };
}

/**
 * What has Node take compiled what it has loaded before: a third of what a run of `pulumi` costs is reading the same modules.
 * In common for all stacks of a user, where `npm test` says; else, as in the bench, Node reads them as anybody's does.
 */
async function compiledModules({ uid, gid }: Caller): Promise<NodeJS.ProcessEnv> {
  const scratch = process.env["MAYFLY_TEST_SCRATCH"];
  if (scratch === undefined) return {};
  const compiled = join(scratch, `compiled-${String(uid)}`);
  await mkdir(compiled, { recursive: true });
  await chown(compiled, uid, gid);
  return { NODE_COMPILE_CACHE: compiled };
}

/** A stack with a backend of its own, in the folder of its program. Disposing it destroys what is left. */
export abstract class Stack implements AsyncDisposable {
  readonly home: string;
  readonly data: string;
  protected readonly caller: Caller;
  private readonly environment: NodeJS.ProcessEnv;
  /** Whether something was made that nothing has destroyed. */
  private isInUse = false;

  /**
   * @param folder Of the program; relative paths of mounts start here.
   * @param environment Added to the caller's own.
   */
  protected constructor(
    site: Site,
    readonly folder: string,
    environment: Readonly<Record<string, string>>,
  ) {
    ({ home: this.home, data: this.data, caller: this.caller } = site);
    this.environment = {
      ...site.environment,
      PULUMI_BACKEND_URL: `file://${this.home}`,
      PULUMI_CONFIG_PASSPHRASE: "",
      PULUMI_SKIP_UPDATE_CHECK: "1",
      MAYFLY_HOME: this.data,
      ...environment,
    };
  }

  /** Runs any program as the caller, in the program's folder; rejects with what it printed when it fails. */
  async run(...command: readonly string[]): Promise<string> {
    const { execa } = await import("execa"); // ESM only
    const [file = "", ...args] = asCaller(this.caller, command);
    return (await execa(file, args, { extendEnv: false, env: this.environment, cwd: this.folder, all: true })).all;
  }

  /** The stack's outputs, secrets in clear. */
  async outputs<T>(): Promise<T> {
    return JSON.parse(await this.must("stack", "output", "--json", "--show-secrets")) as T;
  }

  /** Destroys what is left of the stack, and removes its folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isInUse) await this.must("destroy", "--yes", "--skip-preview"); // else the folder stays, and says what is left
    await rm(this.home, { recursive: true, force: true });
  }

  /** Makes the stack. */
  protected async init(): Promise<void> {
    await this.must("stack", "init", "e2e");
  }

  /** Runs `pulumi` on the stack; rejects with all that it printed when it fails. */
  protected async must(...args: readonly string[]): Promise<string> {
    const { failed, text } = await this.execute(args);
    if (failed) throw new Error(`pulumi ${args.join(" ")} in ${this.home}:\n${text}`);
    return text;
  }

  /** Runs `pulumi` on the stack; a failure is an answer. */
  protected async execute(args: readonly string[], { env, killSignal }: RunOptions = {}): Promise<Ended> {
    const { execa } = await import("execa"); // ESM only
    if (args[0] === "up") this.isInUse = true;
    // The one that the set-up has put on PATH: npm's launcher of it costs a fifth of a second each time.
    const [file = "", ...rest] = asCaller(this.caller, ["pulumi", ...args, "--non-interactive", "--color", "never"]);
    const child = execa(file, rest, {
      ...{ cwd: this.folder, all: true, reject: false, extendEnv: false },
      ...(killSignal && { detached: true }),
      env: { ...this.environment, ...env },
    });
    killSignal?.addEventListener("abort", () => child.pid !== undefined && process.kill(-child.pid, "SIGKILL"));
    const { failed, all } = await child;
    if (args[0] === "destroy") this.isInUse = failed;
    if (hasKey(all) && !args.includes("--show-secrets"))
      throw new Error(`pulumi ${args.join(" ")} prints a private key`);
    return { failed, text: all };
  }
}
