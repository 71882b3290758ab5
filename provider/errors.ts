/** Stable names of failures, one heading each in `docs/errors.md`. Callers branch on the code, never on the message. */
export const ERROR_CODES = [
  "ADDRESS_TAKEN",
  "BAD_INPUT",
  "BAD_KEY",
  "BOOT_FAILED",
  "BOOT_TIMEOUT",
  "BUILD_FAILED",
  "CANCELLED",
  "COMMAND_FAILED",
  "COMMAND_TIMEOUT",
  "CONNECT_FAILED",
  "COPY_FAILED",
  "DISK_FULL",
  "HOST_KEY_MISMATCH",
  "IMAGE_NOT_BOOTABLE",
  "IMAGE_NOT_FOUND",
  "KVM_UNUSABLE",
  "LOCK_TIMEOUT",
  "MOUNT_SOURCE_MISSING",
  "NETWORK_FAILED",
  "NO_MEMORY",
  "NO_TEMPLATE",
  "NOT_FOUND",
  "PODMAN_UNUSABLE",
  "PORT_TAKEN",
  "TIMEOUT",
  "TOOL_FAILED",
  "TOOL_MISSING",
] as const;

/** One of the stable names. */
export type ErrorCode = (typeof ERROR_CODES)[number];

/** Where a reader finds more: the last line of every message, which begins so. */
const POINTER = "More on this: ";

/** That line. The documents lie in the package, and in a clone of its repository. */
function pointerTo(code: ErrorCode): string {
  return `${POINTER}${code} in docs/errors.md of pulumi-mayfly`;
}

/** A message as part of another one, which has a pointer of its own. */
export function withoutPointer(message: string): string {
  return message
    .split("\n")
    .filter((line) => !line.startsWith(POINTER))
    .join("\n");
}

/** The parts of an error that make it worth reading. */
export interface ErrorDetails {
  /** What was seen: the last console lines, a program's stderr, the probe's answer. Free of secrets. */
  readonly evidence?: string | undefined;
  /** What to do, as a command where there is one. */
  readonly remedy: string;
  /** The error underneath, if any. */
  readonly cause?: unknown;
}

/** A failure that tells its reader what happened, what was seen, and what to do. */
export class MayflyError extends Error {
  override readonly name: string = "MayflyError";
  /** Stable name of the failure. */
  readonly code: ErrorCode;
  /** What was seen, as given. */
  readonly evidence: string | undefined;
  /** What to do, as given. */
  readonly remedy: string;

  /** @param summary One sentence that names the thing: `VM "web" did not answer on SSH within 60 s`. */
  constructor(code: ErrorCode, summary: string, { evidence, remedy, cause }: ErrorDetails) {
    super([summary, evidence, `To fix: ${remedy}`, pointerTo(code)].filter(Boolean).join("\n"), {
      cause,
    });
    this.code = code;
    this.evidence = evidence;
    this.remedy = remedy;
  }

  /** The same failure, with more to read: other evidence, or another remedy. */
  retold({ evidence = this.evidence, remedy = this.remedy }: Partial<Omit<ErrorDetails, "cause">>): MayflyError {
    const [summary = ""] = this.message.split("\n");
    return new MayflyError(this.code, summary, { evidence, remedy, cause: this });
  }
}

/**
 * A thing that exists but is not finished. The engine saves `state` with the error, so that the next `up` goes on
 * from there and `destroy` finds it. Thrown only where something is left that a later verb has to see.
 */
export class IncompleteError extends Error {
  override readonly name: string = "IncompleteError";
  /** What is known of the thing so far; enough for `delete`. */
  readonly state: object;

  /** @param reason What went wrong; its message is what the user reads. */
  constructor(state: object, reason: Error) {
    super(reason.message, { cause: reason });
    this.state = state;
  }
}
