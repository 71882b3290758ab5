// The end of `npm run build`: what tsc does not do for sdk/dist. Paths are from the clone's root, where npm runs this.
import { cpSync, existsSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const dist = join(root, "sdk", "dist");
const GUEST = join("provider", "guest");

/** Files of the guest are data: they go along as they are. */
function copyGuest() {
  const isData = (/** @type {string} */ path) => !path.endsWith(".ts");
  if (existsSync(join(root, GUEST))) cpSync(join(root, GUEST), join(dist, GUEST), { recursive: true, filter: isData });
}

/**
 * tsc leaves the output of a source that is gone; it would be packed and could be required.
 *
 * @param {string} folder A folder of `sdk/dist`, as a path within both it and the clone.
 */
function removeStale(folder) {
  for (const name of existsSync(join(dist, folder)) ? readdirSync(join(dist, folder)) : []) {
    const path = join(folder, name);
    const isFolder = statSync(join(dist, path)).isDirectory();
    if (isFolder) removeStale(path);
    else if (!hasSource(path)) rmSync(join(dist, path));
    if (isFolder && readdirSync(join(dist, path)).length === 0) rmSync(join(dist, path), { recursive: true });
  }
}

/** @param {string} path A file of `sdk/dist`. */
function hasSource(path) {
  return [path, path.replace(/(?:\.d)?\.(?:ts|js)$/, ".ts")].some((source) => existsSync(join(root, source)));
}

/** npm packs these from the package's own folder only. */
const DOCUMENTS = [
  "README.md",
  "LICENSE",
  "docs/bench.md",
  "docs/cli.md",
  "docs/errors.md",
  "docs/guests.md",
  "docs/reference.md",
  "docs/warm-boot.svg", // in bench.md
];

/** A link of Markdown to something else than a page of the web or a heading: its words, and the path of a file. */
const LINK = /\[([^\]]*)\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)/g;

/** In the package, the README's links to what is not packed would lead nowhere: there it has their words alone. */
function copyDocuments() {
  for (const name of DOCUMENTS) if (existsSync(join(root, name))) cpSync(join(root, name), join(root, "sdk", name));
  const text = readFileSync(join(root, "README.md"), "utf8");
  const packed = text.replaceAll(LINK, (link, words, to) => (DOCUMENTS.includes(to) ? link : words));
  writeFileSync(join(root, "sdk", "README.md"), packed);
}

copyGuest();
for (const folder of ["sdk", "provider", "cli"]) removeStale(folder);
copyDocuments();
