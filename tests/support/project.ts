import { existsSync } from "node:fs";
import { cp, mkdir, symlink } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { processesOf, self, type Caller } from "./callers";
import { makeSite, Stack, type Site } from "./stack";

const ROOT = join(__dirname, "..", "..");
const BIN = join("node_modules", ".bin");

/** What `pulumi stack export` prints. */
interface Export {
  readonly deployment: { readonly resources: readonly { readonly urn: string }[] };
}

/** One stack of an example. */
export class Project extends Stack {
  /** @param folder Of the example. */
  constructor(site: Site, folder: string) {
    super(site, folder, {
      // The user's own `pulumi`, or the set-up's; last the clone's, which would download one where it finds none.
      PATH: [site.environment["PATH"], join(folder, "..", "..", BIN), join(ROOT, BIN)].join(delimiter),
      PULUMI_NODEJS_TRANSPILE_ONLY: "true", // `npm run typecheck` has the examples' types
    });
  }

  /** Makes the stack. */
  async open(): Promise<this> {
    await this.init();
    return this;
  }

  /** Runs `pulumi` on the stack; returns all that it printed. Rejects with that text when it fails. */
  async pulumi(...args: readonly string[]): Promise<string> {
    return this.must(...args);
  }

  /** The URN of a resource of ours, for `--replace` and its like. */
  async urn(name: string): Promise<string> {
    const { deployment } = JSON.parse(await this.must("stack", "export")) as Export;
    return deployment.resources.find(({ urn }) => urn.endsWith(`::${name}`))?.urn ?? `no ${name} in ${this.folder}`;
  }

  /** Command lines of the processes that the project has left behind so far. */
  processes(): string[] {
    return processesOf(this.caller, this.home);
  }
}

/**
 * Opens a stack of `examples/NAME`.
 *
 * @param caller Who works with it. Another user than ourselves gets a copy of the built package and of the example, as
 * the clone may lie where only we can read, such as root's home.
 */
export async function openExample(name: string, caller: Caller = self): Promise<Project> {
  const site = await makeSite(caller);
  const root = caller.account === undefined ? ROOT : await copyBuild(site);
  return new Project(site, join(root, "examples", name)).open();
}

/** Opens a stack of a copy of `examples/NAME`, whose files a test may change. */
export async function openCopy(name: string): Promise<Project> {
  const site = await makeSite(self);
  const folder = join(site.home, name);
  await cp(join(ROOT, "examples", name), folder, { recursive: true });
  await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
  return new Project(site, folder).open();
}

/**
 * What a user has after `npm install`: the package as built, what it needs, and the examples. Takes ten seconds, so `npm
 * test` has one for all tests of a user.
 */
async function copyBuild({ home, caller: { uid, gid } }: Site): Promise<string> {
  const { execa } = await import("execa");
  const folder = join(process.env["MAYFLY_TEST_SCRATCH"] ?? home, `clone-${String(uid)}`);
  if (existsSync(folder)) return folder;
  await mkdir(folder);
  const parts = ["node_modules", "sdk", "examples", "package.json"].map((part) => join(ROOT, part));
  await execa("cp", ["-R", "--preserve=links,mode", "--no-dereference", ...parts, folder]);
  await execa("chown", ["-R", `${String(uid)}:${String(gid)}`, folder]);
  return folder;
}
