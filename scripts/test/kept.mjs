import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, utimesSync } from "node:fs";
import { homedir } from "node:os";
import { basename, join, relative, sep } from "node:path";
import { digestOfFiles } from "./digest.mjs";

/** Of how many states of the code what tests have made is kept: each takes up to some gigabytes. */
const STATES = 3;

/** What of the product makes templates and boot artefacts, and what those parts are built on. */
export const MAKERS = ["architectures.js", "errors.js", "guest", "host", "images", "machines", "schema"];

/**
 * The folder for what tests make that depends on nothing but the product's code: templates and boot artefacts. It stays
 * for the next run on this machine, as podman's store keeps its images, as long as that code is the same: what makes a
 * template is tested whenever it has changed.
 *
 * @param {string} root The clone, built.
 * @param {string} place Where such folders are.
 * @returns {string} Its path; it is there.
 */
export function keptFolder(root, place = keptPlace()) {
  const states = join(place, "code");
  const folder = join(states, digestOf(join(root, "sdk", "dist", "provider"), MAKERS));
  mkdirSync(folder, { recursive: true });
  for (const path of [place, states, folder]) chmodSync(path, 0o711); // the test user gets there as well
  utimesSync(folder, new Date(), new Date());
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" }))
    if (basename(name) === RUNS_COMMANDS) rmSync(join(folder, name));
  keepOnly(states, STATES);
  return folder;
}

/**
 * The product's note by a template that a machine of it has run a command: see `provider/machines/templates.ts`. It does not
 * stay, so that in each run a first machine shows that, and the next ones need not.
 */
const RUNS_COMMANDS = "runs-commands";

/** Where tests keep, for all clones on this machine, what takes long to make. */
export function keptPlace() {
  if (process.getuid?.() === 0) return "/var/cache/mayfly-tests";
  return join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "mayfly-tests");
}

/**
 * Removes folders, but for those that were used last, and those that a run may be at work in.
 *
 * @param {string} place Whose folders.
 * @param {number} count How many stay.
 */
export function keepOnly(place, count) {
  const folders = readdirSync(place).map((name) => {
    const path = join(place, name);
    return { path, usedAt: statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0 }; // another run may have removed it
  });
  const old = folders.sort((a, b) => b.usedAt - a.usedAt).slice(count);
  for (const { path, usedAt } of old)
    if (usedAt < Date.now() - IN_USE_MS) rmSync(path, { recursive: true, force: true });
}

const IN_USE_MS = 3 * 3_600_000; // longer than any run

/**
 * @param {string} folder Of which some files count, by name and content.
 * @param {readonly string[]} parts Which: files, or folders with all that is in them.
 */
function digestOf(folder, parts) {
  for (const part of parts) if (!existsSync(join(folder, part))) throw new Error(`there is no ${part} in ${folder}`);
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = entries.map((entry) => relative(folder, join(entry.parentPath, entry.name)));
  return digestOfFiles(
    folder,
    paths.filter((path) => parts.includes(path.split(sep)[0] ?? "")),
  );
}
