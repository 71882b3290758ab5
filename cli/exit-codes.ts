/** What the command's exit codes mean. `ssh`, `exec` and `run --execute` end with the code of what they have run. */
export const EXIT = {
  /** It did not do what it was asked for. */
  failed: 1,
  /** It was asked for something that can't be meant. */
  usage: 2,
  /** `wait`: time was up. */
  timeout: 124,
  /** `ssh`, `exec`, `run --execute`: there is no such VM, or it did not come up; nothing was run. */
  notRun: 125,
  /** Ended by Ctrl-C, or by a signal that asks to end. */
  interrupted: 130,
  /** Nobody reads what it prints; shells say this of a program that SIGPIPE has ended. */
  unread: 141,
} as const;

/** The same for the manual, which `scripts/docs.mjs` makes. @public */
export const EXIT_CODES: readonly (readonly [code: string, meaning: string])[] = [
  ["0", "done"],
  [
    String(EXIT.failed),
    "it failed, and the error says what to do; of several names with one or more, the rest is done; of `doctor` and `diagnose`: a fault was found",
  ],
  [String(EXIT.usage), "invalid command line; nothing was done"],
  [String(EXIT.timeout), "`wait`: time was up"],
  [String(EXIT.notRun), "`ssh`, `exec`, `run --execute`: the VM did not come up, or there is none; nothing was run"],
  [
    String(EXIT.interrupted),
    "interrupted: Ctrl-C, SIGTERM or SIGHUP; what was begun is cleaned up. `sync --watch`, which has no other end, ends with 0",
  ],
  [String(EXIT.unread), "its output pipe was closed, as by `mayfly ls | head -1`"],
  [
    "other",
    "`ssh`, `exec`, `run --execute`: the exit code of the command in the VM, 128 and the signal's number where `exec` and `run --execute` saw it killed; 255 where the connection broke; of `cp`, that of scp; of `logs --journal` and `run --output journal`, that of journalctl in the VM, or of ssh",
  ],
];
