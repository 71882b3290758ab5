import { execFileSync } from "node:child_process";
import { lstatSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Makes files by path and content; `null` is a folder, `-> x` a link. */
export function furnish(root: string, files: Record<string, string | null>): void {
  mkdirSync(root, { recursive: true });
  for (const [path, content] of Object.entries(files)) {
    const file = join(root, path);
    mkdirSync(content === null ? file : dirname(file), { recursive: true });
    if (content?.startsWith("-> ") === true) symlinkSync(content.slice(3), file);
    else if (content !== null) writeFileSync(file, content);
  }
}

/** All paths in a folder, links not followed. */
function namesIn(root: string): string[] {
  return execFileSync("find", [root, "-mindepth", "1", "-printf", "%P\\0"])
    .toString()
    .split("\0")
    .filter(Boolean)
    .sort();
}

/** All that is in a folder, with modes, times and contents. @param modeMask Bits of modes that count. */
export function picture(root: string, modeMask = 0o7777): Record<string, string> {
  const found: Record<string, string> = {};
  for (const path of namesIn(root)) {
    const stats = lstatSync(join(root, path));
    const mode = (stats.mode & modeMask).toString(8);
    if (stats.isSymbolicLink()) found[path] = `link ${execFileSync("readlink", [join(root, path)]).toString()}`;
    else if (stats.isDirectory()) found[path] = `folder ${mode}`;
    else found[path] = `${mode} ${String(Math.floor(stats.mtimeMs / 1_000))} ${readFileSync(join(root, path), "utf8")}`;
  }
  return found;
}
