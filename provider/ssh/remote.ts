import type { ClientChannel } from "ssh2";
import type { ExecRequest, ExecResult } from "./exec";
import type { Sftp } from "./sftp";
import { LOST, SftpError } from "./sftp-error";
import type { Traffic } from "./traffic";

/** One server, for as long as one call lasts. */
export interface Remote {
  /** How errors name it. */
  readonly name: string;
  /** Ends everything. */
  readonly signal: AbortSignal;
  /** The program by which rsync comes to the connection that is open already: `rsync-shell.ts`, built. */
  readonly rsyncShell: string;
  /** Works in an SFTP session. */
  sftp<T>(work: (sftp: Sftp) => Promise<T>): Promise<T>;
  /** Takes away in an SFTP session of its own what work has left, also once the signal has fired. As far as that works. */
  cleanUp(work: (sftp: Sftp) => Promise<void>): Promise<void>;
  /** Works with one line of the login shell while it runs, and counts what travels. */
  session<T>(line: string, work: (channel: ClientChannel, traffic: Traffic) => Promise<T>): Promise<T>;
  /** Runs a command. */
  exec(request: ExecRequest): Promise<ExecResult>;
}

const SESSIONS = 4; // a link that breaks as often is no link

/** Works in SFTP sessions, one after the other when they break. The work has to be of a kind that can be repeated. */
export async function persist<T>(remote: Remote, work: (sftp: Sftp) => Promise<T>): Promise<T> {
  for (let session = 1; ; session += 1) {
    try {
      return await remote.sftp(work);
    } catch (error) {
      remote.signal.throwIfAborted();
      if (!(error instanceof SftpError) || error.status !== LOST || session === SESSIONS) throw error;
    }
  }
}

/** A path as SFTP and a shell in the user's home take it: `~/` is where both begin. */
export function onServer(path: string): string {
  if (path === "~") return ".";
  return path.startsWith("~/") ? `./${path.slice(2)}` : path;
}
