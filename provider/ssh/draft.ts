import { randomBytes } from "node:crypto";
import { posix } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Stats } from "ssh2";
import { MayflyError } from "../errors";
import type { RemoteFile } from "./remote-file";
import { kindOf, type Sftp } from "./sftp";

/**
 * Name of a file that is to become another one, beside it. Random: in a folder that others can write to, nobody shall have
 * put something into its place. Without the other's name, which may be as long as names can be.
 */
export function draftName(): string {
  return `.${randomBytes(6).toString("hex")}.mayfly-part`;
}

/** The same as a path on a server. */
export function draftOf(path: string): string {
  return posix.join(posix.dirname(path), draftName());
}

/** A draft that is open, and what it is. */
export interface OpenDraft {
  readonly file: RemoteFile;
  readonly stats: Stats;
}

const LOOKS = 10;
const PAUSE_MS = 100;

/**
 * Opens a draft that an earlier session has begun. Whoever owns its folder may have put a link into its place, and we would
 * write into what that leads to.
 *
 * @returns `undefined` when there is none any more.
 * @throws {MayflyError} `COPY_FAILED` when what is open is not what lies there.
 */
export async function openAgain(sftp: Sftp, draft: string, flags: "r" | "r+"): Promise<OpenDraft | undefined> {
  let seen = await sftp.lstat(draft);
  if (seen === undefined) return undefined;
  if (kindOf(seen) !== "file") throw replaced(draft); // a pipe would hold the server up
  const file = await sftp.open(draft, flags);
  for (let look = 1; ; look += 1) {
    const stats = await file.stat();
    if (seen !== undefined && isSame(seen, stats)) return { file, stats };
    if (look === LOOKS) break;
    await sleep(PAUSE_MS); // the server may still write what the broken session has sent
    seen = await sftp.lstat(draft);
  }
  await file.close();
  throw replaced(draft);
}

/** Whether these are of the same file, as far as SFTP tells: it knows no inodes. */
function isSame(one: Stats, other: Stats): boolean {
  return (["mode", "uid", "gid", "size", "mtime"] as const).every((field) => one[field] === other[field]);
}

/** That something else was put into a draft's place. */
export function replaced(draft: string): MayflyError {
  return new MayflyError("COPY_FAILED", `what was copied to ${draft} is not there any more, but something else`, {
    remedy: "look who may write to that folder; copy to one of your own, and move the file from there",
  });
}
