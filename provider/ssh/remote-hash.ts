import { createHash } from "node:crypto";
import { MayflyError } from "../errors";
import { quote } from "../host/shell";
import { persist, type Remote } from "./remote";
import { LOST, SftpError } from "./sftp-error";

/** Where one is needed: each tool has another name somewhere; a tool that there is not leaves the input alone. */
export const HASH_TOOLS = "{ sha256sum || shasum -a 256 || sha256 -q; } 2>/dev/null";
/** The same for a list of files. With each hash they print a name, which may hold anything: only hashes are read. */
const LIST_TOOLS = "if command -v sha256sum >/dev/null; then set -- sha256sum; else set -- shasum -a 256; fi";
const MOST_OUTPUT = 1_073_741_824; // some five million files

/** SHA-256 of a file there, or of its beginning; by a tool there, or else by fetching it. */
export async function remoteHash(remote: Remote, path: string, size?: number): Promise<string> {
  const input = size === undefined ? `<${quote(path)}` : "";
  const head = size === undefined ? "" : `head -c ${String(size)} -- ${quote(path)} | `;
  const stdout = await output(remote, `${head}${HASH_TOOLS} ${input}`);
  return /^[0-9a-f]{64}\b/.exec(stdout)?.[0] ?? hashByFetching(remote, path, size);
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
  for (const path of paths) fetched.push(await hashIfReadable(remote, `${folder}/${path}`));
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
  return persist(remote, async (sftp) => {
    const hash = createHash("sha256");
    let left = size ?? Number.POSITIVE_INFINITY;
    const file = await sftp.open(path, "r");
    for await (const chunk of file.content()) {
      hash.update(chunk.subarray(0, left));
      left -= chunk.length;
      if (left <= 0) break;
    }
    await file.close();
    return hash.digest("hex");
  });
}

async function hashIfReadable(remote: Remote, path: string): Promise<string | undefined> {
  try {
    return await hashByFetching(remote, path);
  } catch (error) {
    if (error instanceof SftpError && error.status !== LOST) return undefined;
    throw error;
  }
}
