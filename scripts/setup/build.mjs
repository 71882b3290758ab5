import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { run } from "../terminal/programs.mjs";

const SOURCES = [
  "sdk",
  "provider",
  "cli",
  "tsconfig.base.json",
  "tsconfig.json",
  "scripts/copy-guest.mjs",
  "scripts/types.mjs",
  "scripts/types",
  "docs",
  "README.md",
  "LICENSE",
];
/** What the build makes, copies for packing among it: below `sdk/` only, the root's own are named above. */
const NOT_SOURCES = new Set(["dist", "docs", "node_modules", "README.md", "LICENSE"]);

/** `sdk/dist`, from TypeScript. @type {import("./steps.mjs").Step} */
export const build = {
  title: "build",
  missing({ root }) {
    const stamp = stampFile(root);
    const built = existsSync(stamp) ? readFileSync(stamp, "utf8") : undefined;
    return built === fingerprint(root) ? undefined : ["sdk/dist (npm run build)"];
  },
  async install({ root, env }, note) {
    const sources = fingerprint(root); // before: what changes meanwhile must be built again
    await run("npm", ["run", "build"], { env, cwd: root, note });
    writeFileSync(stampFile(root), sources);
  },
};

/** @param {string} root The clone. @returns {string} A file that goes when the build's result goes. */
function stampFile(root) {
  return join(root, "sdk", "dist", ".built-from");
}

/**
 * A text that changes when a source does. By content: clones and checkouts change times as they like.
 *
 * @param {string} root The clone.
 */
function fingerprint(root) {
  const hash = createHash("sha256");
  for (const source of SOURCES) {
    for (const file of filesIn(join(root, source))) hash.update(`${relative(root, file)}\0`).update(readFileSync(file));
  }
  return hash.digest("hex");
}

/**
 * @param {string} path A file or folder, which may not be there.
 * @returns {readonly string[]} All files in it, always in the same order.
 */
function filesIn(path) {
  if (!existsSync(path)) return [];
  try {
    const entries = readdirSync(path).filter((name) => !NOT_SOURCES.has(name));
    return entries.sort().flatMap((name) => filesIn(join(path, name)));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOTDIR") return [path];
    throw error;
  }
}
