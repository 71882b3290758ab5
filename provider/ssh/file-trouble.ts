import { MayflyError } from "../errors";
import { SftpError } from "./sftp-error";

/** An error of the files on either side as a user can read it; any other one as it is. @param summary What failed. */
export function explainFiles(error: unknown, summary: string): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  const isOfFiles = error instanceof SftpError || (typeof code === "string" && /^E[A-Z]+$/.test(code));
  if (!isOfFiles) return error;
  return new MayflyError("COPY_FAILED", summary, { evidence: message, cause: error, remedy: remedyFor(message) });
}

function remedyFor(message: string): string {
  if (/denied|EACCES|EPERM/i.test(message))
    return "log in as a user who may write there, such as root; here, look at the rights of the folder";
  if (/EISDIR|ENOTDIR|EEXIST|ENOENT/.test(message)) return "look at the path: something of another kind is in the way";
  return "see whether a disk is full or read-only (df -h), and whether something writes to the folders; then run again";
}
