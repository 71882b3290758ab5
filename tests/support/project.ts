import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(__dirname, "..", "..");

/** One stack of an example, with a backend and a data folder of its own. Disposing it destroys what is left. */
export interface Project extends AsyncDisposable {
  /** Folder that stands in for the user's data folder. */
  readonly home: string;
  /** Runs `pulumi` on the stack; returns all that it printed. Rejects with that text when it fails. */
  pulumi(...args: string[]): Promise<string>;
  /** The stack's outputs, secrets in clear. */
  outputs<T>(): Promise<T>;
  /** Runs any other program with the same environment. */
  run(file: string, ...args: string[]): Promise<string>;
}

/** Opens a stack of `examples/NAME`. */
export async function openExample(name: string): Promise<Project> {
  const home = await mkdtemp(join(tmpdir(), "mayfly e2e "));
  const env = {
    PULUMI_BACKEND_URL: `file://${home}`,
    PULUMI_CONFIG_PASSPHRASE: "",
    PULUMI_SKIP_UPDATE_CHECK: "1",
    MAYFLY_HOME: join(home, "data"),
  };
  const run = async (file: string, ...args: string[]) => {
    const options = { cwd: join(ROOT, "examples", name), env, all: true, preferLocal: true, localDir: ROOT } as const;
    const { execa } = await import("execa"); // ESM only
    return (await execa(file, args, options)).all;
  };
  const pulumi = async (...args: string[]) => run("pulumi", ...args, "--non-interactive");
  await pulumi("stack", "init", "e2e");
  return {
    ...{ home, run, pulumi },
    outputs: async <T>() => JSON.parse(await pulumi("stack", "output", "--json", "--show-secrets")) as T,
    async [Symbol.asyncDispose]() {
      await pulumi("destroy", "--yes", "--skip-preview");
      await rm(home, { recursive: true, force: true });
    },
  };
}
