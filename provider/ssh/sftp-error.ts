/** What the server answered, in SFTP's numbers. */
export class SftpError extends Error {
  /** @param status See the constants of this file; `LOST` when there was no answer. */
  constructor(
    readonly status: number,
    message: string,
    readonly path: string,
  ) {
    super(`${path}: ${message}`);
  }
}

/** There is no such file (SSH_FX_NO_SUCH_FILE). */
export const NO_SUCH_FILE = 2;
/** The user may not do that (SSH_FX_PERMISSION_DENIED). */
export const PERMISSION_DENIED = 3;
/** The session ended; what was under way may or may not have been done. */
export const LOST = -1;
