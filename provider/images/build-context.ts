import dockerignore from "@balena/dockerignore";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { lstat, readdir, readlink } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import pLimit from "p-limit";
import { MayflyError } from "../errors";
import { readFileIfExists } from "../host/files";

const FILES_AT_A_TIME = 8;

/** The file that says what of a context is left out. */
export interface IgnoreFile {
  /** Its patterns in a form that all versions of podman, and we, take for the same. */
  readonly patterns: readonly string[];
  /** Whether podman may take the file itself for something else. */
  readonly isAmbiguous: boolean;
}

/**
 * Finds the file that podman would: one of the Containerfile's own (`Containerfile.containerignore`) before that of the
 * context.
 */
export async function findIgnoreFile(
  containerfile: string | undefined,
  context: string,
): Promise<IgnoreFile | undefined> {
  const own = containerfile === undefined ? [] : [`${containerfile}.containerignore`, `${containerfile}.dockerignore`];
  for (const path of [...own, join(context, ".containerignore"), join(context, ".dockerignore")]) {
    const text = await readFileIfExists(path);
    if (text !== undefined) return readPatterns(text);
  }
  return undefined;
}

/** Pure. */
function readPatterns(text: string): IgnoreFile {
  const lines = text.split("\n").filter((line) => !line.startsWith("#"));
  const patterns = lines.map((line) => plainPattern(line));
  return { patterns, isAmbiguous: patterns.some((pattern, index) => pattern !== lines[index]?.trim()) };
}

/**
 * A pattern as podman 4 has to be told it: to that one a leading slash means nothing that there is, and what regular
 * expressions have a use for is that.
 */
function plainPattern(line: string): string {
  const [, not = "", pattern = ""] = /^(!?)\s*(.*)$/s.exec(line.trim()) ?? [];
  const relative = pattern.replace(/^\/+(?=.)/, "");
  return not + relative.replaceAll(/\\.|[+(){}|]/gs, (part) => (part.length > 1 ? part : `\\${part}`));
}

/**
 * One hash of all of a context that a build can see: paths, modes, link targets and contents, not times.
 *
 * @returns SHA-256 in hex.
 * @throws {MayflyError} `BAD_INPUT` for a file that can't be read.
 */
export async function digestContext(folder: string, ignoreFile: IgnoreFile | undefined): Promise<string> {
  const patterns = ignoreFile?.patterns ?? [];
  const ignore = dockerignore({ ignorecase: false }).add([...patterns]); // podman looks at the case
  // A folder that is left out may hold what a later pattern takes in again.
  const mayReturn = patterns.some((line) => line.trim().startsWith("!"));
  const limit = pLimit(FILES_AT_A_TIME);
  const lines: Promise<string>[] = [];
  const walk = async (below: string): Promise<void> => {
    for (const entry of await readdir(join(folder, below), { withFileTypes: true })) {
      const path = join(below, entry.name);
      const isIgnored = ignore.ignores(path);
      if (!isIgnored) {
        const line = limit(async () => describe(folder, path));
        line.catch(() => undefined); // seen below, when all are waited for
        lines.push(line);
      }
      if (entry.isDirectory() && (!isIgnored || mayReturn)) await walk(path);
    }
  };
  try {
    await walk("");
    const hash = createHash("sha256");
    for (const line of (await Promise.all(lines)).sort()) hash.update(`${line}\n`);
    return hash.digest("hex");
  } catch (cause) {
    throw new MayflyError("BAD_INPUT", `the build context ${folder} can't be read as a whole`, {
      evidence: cause instanceof Error ? cause.message : String(cause),
      remedy: "look at the rights, or leave it out by a line in .containerignore",
      cause,
    });
  }
}

async function describe(folder: string, path: string): Promise<string> {
  const file = join(folder, path);
  const seen = await lstat(file);
  const content = seen.isSymbolicLink() ? await readlink(file) : seen.isFile() ? await hashFile(file) : "";
  return JSON.stringify([path, seen.mode.toString(8), content]);
}

/** SHA-256 of a file, in hex. */
export async function hashFile(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}
