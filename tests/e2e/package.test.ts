import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { readFileSync, readdirSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import ts from "typescript";
import { makeHome } from "../support/home";
import { shareMachineParts } from "../support/shared";

const ROOT = join(__dirname, "..", "..");

/** What a user has: an empty folder somewhere, with a blank in its path. */
const home = makeHome("package");
const app = join(home, "an app");
const data = join(home, "data");
/** Paths in the tarball. */
let packed: readonly string[];

const PROGRAM = `
import * as mayfly from "pulumi-mayfly";

const key = new mayfly.SshKey("key", { comment: "ada" });
export const publicKey = key.publicKey;
`;

const PROGRAM_WITH_VM = `${PROGRAM}
const image = new mayfly.Image("debian", { debian: {} });
const vm = new mayfly.VM("box", { image, sshKey: key });
export const kernel = new mayfly.SshCommand("kernel", { vm, create: "uname -s; hostname" }).stdout;
`;

/** Runs a program in the user's folder; returns what it printed. Rejects with that when it fails. */
async function run(file: string, args: readonly string[], folder = app): Promise<string> {
  const { execa } = await import("execa"); // ESM only
  const env = {
    PULUMI_BACKEND_URL: `file://${home}`,
    PULUMI_CONFIG_PASSPHRASE: "",
    PULUMI_SKIP_UPDATE_CHECK: "1",
    MAYFLY_HOME: data,
  };
  // `pulumi` is on the PATH of the tests, or else npm's launcher of it; all else comes from the user's folder.
  return (await execa(file, args, { cwd: folder, env, all: true, preferLocal: file === "pulumi", localDir: ROOT })).all;
}

const pulumi = async (...args: string[]) => run("pulumi", [...args, "--non-interactive"]);

/** The version of a package that the clone uses. */
function versionOf(name: string): string {
  const text = readFileSync(join(ROOT, "package.json"), "utf8");
  const version = (JSON.parse(text) as { devDependencies: Record<string, string> }).devDependencies[name];
  return `${name}@${version ?? "?"}`;
}

beforeAll(async () => {
  await shareMachineParts(data);
  const [tarball] = JSON.parse(await pack()) as [{ filename: string; files: readonly { path: string }[] }];
  packed = tarball.files.map(({ path }) => path);
  await mkdir(app);
  await writeFile(join(app, "package.json"), JSON.stringify({ name: "app", private: true, main: "index.ts" }));
  const compilerOptions = { module: "node16", strict: true, target: "es2022" };
  await writeFile(join(app, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["index.ts"] }));
  await writeFile(join(app, "Pulumi.yaml"), "name: mayfly-package-test\nruntime: nodejs\n");
  const wanted = ["@pulumi/pulumi", "typescript", "@types/node"].map(versionOf);
  const quietly = ["--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund"];
  await run("npm", ["install", ...quietly, join(home, tarball.filename), ...wanted]);
}, 180_000);

afterAll(async () => {
  await rm(home, { recursive: true, force: true });
});

async function pack(): Promise<string> {
  const { execa } = await import("execa");
  const args = ["pack", "--json", "--pack-destination", home];
  return (await execa("npm", args, { cwd: join(ROOT, "sdk") })).stdout;
}

/** Files below a folder of the clone, as paths from its root. */
function filesIn(folder: string, recursive = true): string[] {
  return readdirSync(join(ROOT, folder), { recursive, encoding: "utf8" }).map((name) => join(folder, name));
}

test("the tarball holds the compiled sources, the guest's files, the public types and the documents, no more", () => {
  const sources = [...filesIn("sdk", false), ...filesIn("provider"), ...filesIn("cli")].filter((path) =>
    path.endsWith(".ts"),
  );
  const compiled = sources.map((path) => join("dist", path.replace(/\.ts$/, ".js")));
  const isPublic = (path: string) =>
    path.startsWith("sdk/") ||
    path === "provider/index.ts" ||
    (path.startsWith("provider/schema/") && /^export type \w+Inputs\b/m.test(readFileSync(join(ROOT, path), "utf8")));
  const types = sources.filter(isPublic).map((path) => join("dist", path.replace(/\.ts$/, ".d.ts")));
  const guest = filesIn("provider/guest").filter((path) => /\.(?:sh|bin)$|\/(?:helper|pam-ahead)-\w+$/.test(path));
  const documents = [
    "README.md",
    "LICENSE",
    ...filesIn("docs").filter((path) => /(?:bench|cli|errors|guests|reference)\.md$|\.svg$/.test(path)),
  ];
  const all = [...compiled, ...types, ...guest.map((path) => join("dist", path)), "package.json", ...documents];
  expect([...packed].sort()).toEqual(all.sort());
});

test("links of the packed README lead to what is packed", () => {
  const text = readFileSync(join(app, "node_modules", "pulumi-mayfly", "README.md"), "utf8");
  const targets = [...text.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)].map(([, to = ""]) => to);
  expect(targets).toContain("docs/errors.md");
  expect(targets.filter((to) => !to.startsWith("https://") && !packed.includes(to))).toEqual([]);
});

test.each([
  ["node16", "node16"],
  ["esnext", "bundler"],
])("its types are whole under module %s, resolved by %s", async (module, moduleResolution) => {
  const uses = `${PROGRAM_WITH_VM}
import { create } from "pulumi-mayfly/runtime";
export const made: Promise<unknown> = create("SshKey", {});
// @ts-expect-error: there is no such field
new mayfly.VM("box", { image: "localhost/x", memroy: "1GiB" });
// @ts-expect-error: not a size, and so the types are no any
new mayfly.VM("box", { image: "localhost/x", memory: true });
`;
  await writeFile(join(app, "uses.ts"), uses);
  const strictly = ["--strict", "--exactOptionalPropertyTypes", "--skipLibCheck", "false", "--noEmit"];
  const options = ["--target", "es2022", "--module", module, "--moduleResolution", moduleResolution];
  expect(await run(join(app, "node_modules", ".bin", "tsc"), [...strictly, ...options, "uses.ts"])).toBe("");
});

test("an editor shows what each field means", () => {
  const index = join(app, "node_modules", "pulumi-mayfly", "dist", "sdk", "index.d.ts");
  const program = ts.createProgram([index], { module: ts.ModuleKind.Node16 });
  const types = program.getTypeChecker();
  const source = program.getSourceFile(index);
  const module = source && types.getSymbolAtLocation(source);
  const exported = module === undefined ? [] : types.getExportsOfModule(module);
  const named = exported.filter(({ name }) => name.endsWith("Args")).map((symbol) => types.getAliasedSymbol(symbol));
  expect(named.length).toBeGreaterThan(3);
  const mute = named.flatMap((symbol) =>
    types
      .getPropertiesOfType(types.getDeclaredTypeOfSymbol(symbol))
      .filter((field) => field.getDocumentationComment(types).length === 0)
      .map((field) => `${symbol.name}.${field.name}`),
  );
  expect(mute).toEqual([]);
});

test("an ES module can import it by name", async () => {
  const script = 'import { VM, SshKey, Image, SshCommand } from "pulumi-mayfly"; console.log(typeof VM, typeof SshKey)';
  expect(await run("node", ["--input-type=module", "--eval", script])).toBe("function function");
});

test("a program outside the clone brings a VM up with it, sees no change, and takes it down", async () => {
  await writeFile(join(app, "index.ts"), PROGRAM);
  await pulumi("stack", "init", "dev");
  try {
    await pulumi("up", "--yes", "--skip-preview");
    expect(await pulumi("stack", "output", "publicKey")).toMatch(/^ssh-ed25519 \S+ ada$/);

    await writeFile(join(app, "index.ts"), PROGRAM_WITH_VM);
    await pulumi("up", "--yes", "--skip-preview");
    expect(await pulumi("stack", "output", "kernel")).toBe("Linux\nbox");
    await pulumi("preview", "--expect-no-changes");
  } finally {
    await pulumi("destroy", "--yes", "--skip-preview");
  }
  expect(readdirSync(join(data, "machines"))).toEqual([]);
  expect(readdirSync(join(data, "records", "machines"))).toEqual([]);
  expect(await run("podman", ["ps", "--all", "--quiet", "--filter", "label=mayfly.project=mayfly-package-test"])).toBe(
    "",
  );
});
