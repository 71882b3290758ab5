import { createHash } from "node:crypto";
import { MayflyError } from "../errors";
import { quote } from "../host/shell";
import { persist, type Remote } from "./remote";
import type { Sftp } from "./sftp";
import { LOST, SftpError } from "./sftp-error";

/** Where one is needed: each tool has another name somewhere; a tool that there is not leaves the input alone. */
const SHA256_TOOLS = "sha256sum || shasum -a 256 || sha256 -q";
/**
 * With `hash FILE` it prints the XXH64 of a file in a guest of ours (provider/guest/helper/hash.h), which costs an emulated
 * CPU no more than reading the file: 256 MiB in 0.25 s, by b2sum in 2.1 s. The helper of an older guest does not know it.
 */
export const GUEST_HELPER = "/usr/lib/mayfly/helper";
/** To compare two sides by, where there is no such helper. What is printed tells by its length which hash it is. */
export const HASH_TOOLS = `{ b2sum || ${SHA256_TOOLS}; } 2>/dev/null`;
const PRINTED = /^(?:[0-9a-f]{128}|[0-9a-f]{64}|[0-9a-f]{16})\b/;
/** The same for a list of files. With each hash they print a name, which may hold anything: only hashes are read. */
const LIST_TOOLS = "if command -v sha256sum >/dev/null; then set -- sha256sum; else set -- shasum -a 256; fi";
const MOST_OUTPUT = 1_073_741_824; // some five million files

/** XXH64, BLAKE2b-512 or SHA-256 of a file there, or of its beginning; by a tool there, or else by fetching it. */
export async function remoteHash(remote: Remote, path: string, size?: number): Promise<string> {
  const file = quote(path);
  const [bytes, tools] =
    size === undefined
      ? ["</dev/null", `${HASH_TOOLS} <${file}`]
      : [size, `head -c ${String(size)} -- ${file} | ${HASH_TOOLS}`];
  const stdout = await output(remote, `${GUEST_HELPER} hash ${file} ${String(bytes)} 2>/dev/null || ${tools}`);
  return printedHash(stdout) ?? hashByFetching(remote, path, size);
}

/** What {@link GUEST_HELPER} or one of {@link HASH_TOOLS} has printed; `undefined` when none has. */
export function printedHash(stdout: string): string | undefined {
  return PRINTED.exec(stdout)?.[0];
}

/** SHA-256 of the beginning of a file there. */
export async function remoteSha256(remote: Remote, path: string, size: number): Promise<string> {
  const stdout = await output(remote, `head -c ${String(size)} -- ${quote(path)} | { ${SHA256_TOOLS}; } 2>/dev/null`);
  return printedHash(stdout) ?? hashByFetching(remote, path, size);
}

/**
 * SHA-256 of many files in a folder there, in their order: one command hashes all of them, where there is a tool.
 *
 * @returns `undefined` for a file that can't be read.
 */
export async function remoteHashes(
  remote: Remote,
  folder: string,
  paths: readonly string[],
): Promise<(string | undefined)[]> {
  const stdin = paths.map((path) => `./${path}\0`).join("");
  const stdout = await output(remote, `cd -- ${quote(folder)} && ${LIST_TOOLS} && exec xargs -0 "$@"`, stdin);
  const hashes = stdout.match(/^\\?[0-9a-f]{64}(?= )/gm)?.map((hash) => hash.replace("\\", "")) ?? [];
  if (hashes.length === paths.length) return hashes;
  const fetched: (string | undefined)[] = []; // no tool, or a file that it can't read
  for (const path of paths) fetched.push(await unlessUnreadable(hashByFetching(remote, `${folder}/${path}`)));
  return fetched;
}

/** What a command prints; nothing where a server takes no commands. */
async function output(remote: Remote, command: string, stdin?: string): Promise<string> {
  try {
    return (await remote.exec({ command, stdin, maxOutputBytes: MOST_OUTPUT })).stdout;
  } catch (error) {
    if (error instanceof MayflyError && error.code === "CONNECT_FAILED") return ""; // it may do SFTP only
    throw error;
  }
}

function hashByFetching(remote: Remote, path: string, size?: number): Promise<string> {
  return persist(remote, (sftp) => fetchHash(sftp, path, size));
}

async function fetchHash(sftp: Sftp, path: string, size = Number.POSITIVE_INFINITY): Promise<string> {
  const hash = createHash("sha256");
  let left = size;
  const file = await sftp.open(path, "r");
  for await (const chunk of file.content(size)) {
    hash.update(chunk.subarray(0, left));
    left -= chunk.length;
    if (left <= 0) break;
  }
  await file.close();
  return hash.digest("hex");
}

/** SHA-256 of the beginning of a file there, in a session that is open; `undefined` where it can't be read. */
export async function hashOverSftp(sftp: Sftp, path: string, size: number): Promise<string | undefined> {
  return unlessUnreadable(fetchHash(sftp, path, size));
}

async function unlessUnreadable(hash: Promise<string>): Promise<string | undefined> {
  try {
    return await hash;
  } catch (error) {
    if (error instanceof SftpError && error.status !== LOST) return undefined;
    throw error;
  }
}
