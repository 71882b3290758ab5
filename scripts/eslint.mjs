// ESLint over the whole clone, for `npm run lint`. Its rules go by types, so what it says of one file may change with any
// other one, which its own cache knows nothing of: that is kept for exactly this state of the clone, and for no other.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { main } from "./terminal/failure.mjs";
import { digestOfFiles } from "./test/digest.mjs";
import { runGroup } from "./test/run-group.mjs";

const DEADLINE_MINUTES = 20; // beside tests of VMs, at the lowest priority, it takes three
const GIT_MS = 20_000; // takes some milliseconds

const root = fileURLToPath(new URL("..", import.meta.url));

/** Digest of all that ESLint reads: files that git knows or would take, and what runs it. `undefined` without git. */
function stateOfClone() {
  const list = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"];
  const git = spawnSync("git", list, { cwd: root, encoding: "utf8", timeout: GIT_MS });
  if (git.status !== 0) return undefined; // no git, or no clone: an archive of the sources
  const names = git.stdout.split("\0").filter((name) => name !== "" && existsSync(join(root, name)));
  return digestOfFiles(root, names, process.version);
}

/** @param {string} state Of the clone. */
function cacheOf(state) {
  const place = join(root, "node_modules", ".cache", "eslint");
  mkdirSync(place, { recursive: true });
  for (const name of readdirSync(place))
    if (name !== state) rmSync(join(place, name), { recursive: true, force: true });
  return ["--cache", "--cache-strategy", "content", "--cache-location", `${join(place, state)}/`];
}

await main(async () => {
  const state = stateOfClone();
  const eslint = join(root, "node_modules", "eslint", "bin", "eslint.js");
  const args = [eslint, ".", "--max-warnings=0", ...(state === undefined ? [] : cacheOf(state))];
  const { code } = await runGroup(process.execPath, args, {
    env: process.env,
    cwd: root,
    deadlineMs: DEADLINE_MINUTES * 60_000,
  });
  return code;
});
