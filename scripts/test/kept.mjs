import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, rmSync, statSync, utimesSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** Of a folder that no run has used for so long: its code is not worked on any more. */
const OLD_MS = 2 * 86_400_000;

/**
 * The folder for what tests make that depends on nothing but the product's code: templates and boot artefacts. It stays
 * for the next run of the same code on this machine, as podman's store keeps its images; other code has another one, so
 * that what makes a template is tested whenever it has changed.
 *
 * @param {string} root The clone, built.
 * @param {string} base Where such folders are.
 * @returns {string} Its path; it is there.
 */
export function keptFolder(root, base = baseFolder()) {
  mkdirSync(base, { recursive: true, mode: 0o711 });
  const folder = join(base, `code-${digestOf(join(root, "sdk", "dist", "provider"))}`);
  mkdirSync(folder, { recursive: true, mode: 0o711 });
  utimesSync(folder, new Date(), new Date());
  const others = readdirSync(base).filter((name) => name.startsWith("code-"));
  for (const path of others.map((name) => join(base, name)))
    if (statSync(path).mtimeMs < Date.now() - OLD_MS) rmSync(path, { recursive: true, force: true });
  return folder;
}

/** Where the test user gets to as well, if that is somebody else. */
function baseFolder() {
  if (process.getuid?.() === 0) return "/var/cache/mayfly-tests";
  return join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "mayfly-tests");
}

/** @param {string} folder All of whose files count, by name and content. */
function digestOf(folder) {
  const hash = createHash("sha256");
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  for (const path of entries.map((entry) => join(entry.parentPath, entry.name)).sort())
    hash
      .update(`${path.slice(folder.length)}\0`)
      .update(readFileSync(path))
      .update("\0");
  return hash.digest("hex").slice(0, 16);
}
