import dockerignore from "@balena/dockerignore";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { lstat, readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import pLimit from "p-limit";
import { MayflyError } from "../errors";
import { readFileIfExists } from "../host/files";
import type { Paths } from "../host/paths";
import { hostBootId } from "../host/process-identity";
import { keepDigest, knownDigest, markOf, WORTH_KEEPING } from "./known-digest";

const FILES_AT_A_TIME = 8;
const FILES_WORTH_KEEPING = 100; // opened and read in as long as that many bytes are hashed

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

/** One thing in a context. */
interface Entry {
  /** Within the context. */
  readonly path: string;
  readonly mode: string;
  /** Where a link leads. */
  readonly target: string | undefined;
  /** What tells that a file is still the same; absent for what is none. */
  readonly mark: string | undefined;
  readonly bytes: number;
  /** In milliseconds since 1970. */
  readonly changedAt: number;
}

/**
 * One hash of all of a context that a build can see: paths, modes, link targets and contents, not times. That of a large one
 * is remembered until anything in it changes, or the host's next boot.
 *
 * @returns SHA-256 in hex.
 * @throws {MayflyError} `BAD_INPUT` for a file that can't be read.
 */
export async function digestContext(
  paths: Pick<Paths, "verdicts">,
  folder: string,
  ignoreFile: IgnoreFile | undefined,
): Promise<string> {
  const limit = pLimit(FILES_AT_A_TIME);
  const patterns = ignoreFile?.patterns ?? [];
  const place = [folder, ...patterns].join("\n");
  const began = Date.now();
  try {
    const found = await pathsIn(folder, patterns);
    const entries = await Promise.all(found.sort().map(async (path) => limit(async () => lookAt(folder, path))));
    const marks = entries.map(({ path, mode, target, mark }) => JSON.stringify([path, mode, target, mark]));
    const mark = hashLines([hostBootId(), ...marks]);
    const known = await knownDigest(paths, "context", place, mark);
    if (known !== undefined) return known;
    const lines = await Promise.all(entries.map(async (entry) => limit(async () => describe(folder, entry))));
    const digest = hashLines(lines.sort());
    if (isWorthKeeping(entries) && (await isSettled(folder, entries, began)))
      await keepDigest(paths, "context", place, { mark, digest });
    return digest;
  } catch (cause) {
    throw new MayflyError("BAD_INPUT", `the build context ${folder} can't be read as a whole`, {
      evidence: cause instanceof Error ? cause.message : String(cause),
      remedy: "look at the rights, or leave it out by a line in .containerignore",
      cause,
    });
  }
}

/** Paths in a context of what is not left out. */
async function pathsIn(folder: string, patterns: readonly string[]): Promise<string[]> {
  const ignore = dockerignore({ ignorecase: false }).add([...patterns]); // podman looks at the case
  // A folder that is left out may hold what a later pattern takes in again.
  const mayReturn = patterns.some((line) => line.startsWith("!"));
  const found: string[] = [];
  const walk = async (below: string): Promise<void> => {
    for (const entry of await readdir(join(folder, below), { withFileTypes: true })) {
      const path = join(below, entry.name);
      const isIgnored = ignore.ignores(path);
      if (!isIgnored) found.push(path);
      if (entry.isDirectory() && (!isIgnored || mayReturn)) await walk(path);
    }
  };
  await walk("");
  return found;
}

async function lookAt(folder: string, path: string): Promise<Entry> {
  const file = join(folder, path);
  const seen = await lstat(file, { bigint: true });
  return {
    path,
    mode: seen.mode.toString(8),
    target: seen.isSymbolicLink() ? await readlink(file) : undefined,
    mark: seen.isFile() ? markOf(seen) : undefined,
    bytes: seen.isFile() ? Number(seen.size) : 0,
    changedAt: Number(seen.ctimeMs),
  };
}

async function describe(folder: string, { path, mode, target, mark, bytes }: Entry): Promise<string> {
  const read = bytes < SMALL_BYTES ? hashSmallFile : hashFile;
  const content = target ?? (mark === undefined ? "" : await read(join(folder, path)));
  return JSON.stringify([path, mode, content]);
}

/** Whether to read it takes longer than to look into another file. */
function isWorthKeeping(entries: readonly Entry[]): boolean {
  const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
  return entries.length >= FILES_WORTH_KEEPING || bytes >= WORTH_KEEPING;
}

/**
 * Whether what was read of files is what their marks stand for: they are still the same, and were not written to so shortly
 * before that another write would show as the same time (two seconds, with some file systems).
 *
 * @param began When the first of them was looked at, in milliseconds since 1970.
 */
async function isSettled(folder: string, entries: readonly Entry[], began: number): Promise<boolean> {
  const limit = pLimit(FILES_AT_A_TIME);
  const before = began - 3_000;
  const same = entries.map(async ({ path, mark, changedAt }) =>
    limit(async () => mark === undefined || (changedAt < before && (await lookAt(folder, path)).mark === mark)),
  );
  return (await Promise.all(same)).every(Boolean);
}

function hashLines(lines: readonly string[]): string {
  const hash = createHash("sha256");
  for (const line of lines) hash.update(`${line}\n`);
  return hash.digest("hex");
}

const SMALL_BYTES = 1024 ** 2; // what is read at once takes half the time

async function hashSmallFile(file: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(file))
    .digest("hex");
}

/** SHA-256 of a file, in hex. */
export async function hashFile(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}
