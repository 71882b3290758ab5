import { existsSync } from "node:fs";
import { chmod, chown, cp, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { asCaller, environmentOf, processesOf, self, type Caller } from "./callers";
import { shareMachineParts } from "./shared";

const ROOT = join(__dirname, "..", "..");
const BIN = join("node_modules", ".bin");

/** What `pulumi stack export` prints. */
interface Export {
  readonly deployment: { readonly resources: readonly { readonly urn: string }[] };
}

/** One stack of an example, with a backend and a data folder of its own, but for what {@link shareMachineParts} says. Disposing it destroys what is left. */
export interface Project extends AsyncDisposable {
  /** Folder that stands in for the user's data folder. */
  readonly home: string;
  /** Folder of the program. */
  readonly folder: string;
  /** Runs `pulumi` on the stack; returns all that it printed. Rejects with that text when it fails. */
  pulumi(...args: string[]): Promise<string>;
  /** The stack's outputs, secrets in clear. */
  outputs<T>(): Promise<T>;
  /** The URN of a resource of ours, for `--replace` and its like. */
  urn(name: string): Promise<string>;
  /** Runs any other program with the same environment, as the same user. */
  run(file: string, ...args: string[]): Promise<string>;
  /** Command lines of the processes that the project has left behind so far. */
  processes(): string[];
}

/**
 * Opens a stack of `examples/NAME`.
 *
 * @param caller Who works with it. Another user than ourselves gets a copy of the built package and of the example, as
 * the clone may lie where only we can read, such as root's home.
 */
export async function openExample(name: string, caller: Caller = self): Promise<Project> {
  return open(name, caller, async (home) => {
    if (caller.account === undefined) return join(ROOT, "examples", name);
    return join(await copyBuild(home, caller), "examples", name);
  });
}

/** Opens a stack of a copy of `examples/NAME`, whose files a test may change. */
export async function openCopy(name: string): Promise<Project> {
  return open(name, self, async (home) => {
    const folder = join(home, name);
    await cp(join(ROOT, "examples", name), folder, { recursive: true });
    await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
    return folder;
  });
}

async function open(name: string, caller: Caller, place: (home: string) => Promise<string>): Promise<Project> {
  const inherited = environmentOf(caller); // first, as it may fail
  const home = await mkdtemp(join(tmpdir(), "mayfly e2e "));
  await chmod(home, caller.uid === 0 ? 0o711 : 0o700); // as /var/lib/mayfly and ~/.local/share are
  await chown(home, caller.uid, caller.gid);
  const data = join(home, "data");
  await shareMachineParts(data, caller);
  const { execa } = await import("execa"); // ESM only
  const folder = await place(home);
  const env = {
    ...inherited,
    // The user's own `pulumi`, or the set-up's; last the clone's, which would download one where it finds none.
    PATH: [inherited["PATH"], join(folder, "..", "..", BIN), join(ROOT, BIN)].join(delimiter),
    PULUMI_BACKEND_URL: `file://${home}`,
    PULUMI_CONFIG_PASSPHRASE: "",
    PULUMI_SKIP_UPDATE_CHECK: "1",
    PULUMI_NODEJS_TRANSPILE_ONLY: "true", // `npm run typecheck` has the examples' types
    MAYFLY_HOME: data,
  };
  const run = async (...command: string[]) => {
    const [file = "", ...args] = asCaller(caller, command);
    const options = { extendEnv: false, all: true, cwd: folder } as const;
    return (await execa(file, args, { ...options, env })).all;
  };
  let isDestroyed = false;
  const pulumi = async (...args: string[]) => {
    if (args[0] === "up") isDestroyed = false;
    const text = await run("pulumi", ...args, "--non-interactive");
    if (args[0] === "destroy") isDestroyed = true;
    return text;
  };
  await pulumi("stack", "init", "e2e");
  return {
    ...{ home, folder, run, pulumi },
    urn: async (resource) => {
      const { deployment } = JSON.parse(await pulumi("stack", "export")) as Export;
      return deployment.resources.find(({ urn }) => urn.endsWith(`::${resource}`))?.urn ?? `no ${resource} in ${name}`;
    },
    processes: () => processesOf(caller, home),
    outputs: async <T>() => JSON.parse(await pulumi("stack", "output", "--json", "--show-secrets")) as T,
    async [Symbol.asyncDispose]() {
      if (!isDestroyed) await pulumi("destroy", "--yes", "--skip-preview");
      await rm(home, { recursive: true, force: true });
    },
  };
}

/**
 * What a user has after `npm install`: the package as built, what it needs, and the examples. Takes ten seconds, so `npm
 * test` has one for all tests of a user.
 */
async function copyBuild(home: string, { uid, gid }: Caller): Promise<string> {
  const { execa } = await import("execa");
  const folder = join(process.env["MAYFLY_TEST_SCRATCH"] ?? home, `clone-${String(uid)}`);
  if (existsSync(folder)) return folder;
  await mkdir(folder);
  const parts = ["node_modules", "sdk", "examples", "package.json"].map((part) => join(ROOT, part));
  await execa("cp", ["-R", "--preserve=links,mode", "--no-dereference", ...parts, folder]);
  await execa("chown", ["-R", `${String(uid)}:${String(gid)}`, folder]);
  return folder;
}
