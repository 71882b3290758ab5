/** Bytes of a session's own content, without what SSH and SFTP add. Counts while the session goes on. */
export interface Traffic {
  /** To the server. */
  sent: number;
  /** From it. */
  received: number;
}

/** Before anything has travelled. */
export function noTraffic(): Traffic {
  return { sent: 0, received: 0 };
}
