import { existsSync } from "node:fs";
import { basename } from "node:path";
import { MayflyError } from "../errors";
import { quoteIfNeeded } from "./shell";

/** The part of a finished program that tells why it failed. */
export interface ToolResult {
  /** `ENOENT` and the like, where the program could not be started. */
  readonly code?: string | undefined;
  readonly exitCode?: number | undefined;
  readonly signal?: string | undefined;
  readonly stderr: string;
  /** What Node says of a program that it could not start: `spawn podman EAGAIN`. */
  readonly originalMessage?: string | undefined;
}

/** Debian's package for each host program that we use; the names agree on Ubuntu. */
const PACKAGES: Readonly<Record<string, string>> = {
  podman: "podman",
  "qemu-system-x86_64": "qemu-system-x86",
  "qemu-system-aarch64": "qemu-system-arm",
  "qemu-aarch64-static": "qemu-user-static",
  "mkfs.erofs": "erofs-utils",
  mmdebstrap: "mmdebstrap",
  busybox: "busybox-static",
  "qemu-img": "qemu-utils",
  mke2fs: "e2fsprogs",
  scp: "openssh-client",
  ssh: "openssh-client",
  setpriv: "util-linux",
  pasta: "passt",
  ip: "iproute2",
  xz: "xz-utils",
};

const EVIDENCE_LINES = 15; // enough for a stack of podman's wrapped errors, short enough to read

/** What helps where the kernel starts no program. */
const START_REMEDIES: Readonly<Record<string, string>> = {
  EAGAIN: "this user may start no further process: end some, or raise the limit (`ulimit -u`; TasksMax= of a service)",
  ENOMEM: "free some memory (`free -m`)",
  EMFILE:
    "too many files are open here: raise the limit (`ulimit -n`), or do less at a time (`pulumi up --parallel 4`)",
  ENFILE: "too many files are open on this host: raise the limit (`sysctl fs.file-max`)",
  E2BIG: "arguments and environment are too long together: unset what is long there (`env | wc -c`)",
  EACCES:
    "let this user run it (`ls -l` on its path and the folders above); it may be on a disk that is mounted noexec",
};

/**
 * The one place where a host program's failure becomes an error of ours.
 *
 * @param directory Where it was started. @default where we are
 */
export function toolError(file: string, result: ToolResult, directory?: string): MayflyError {
  if (result.code === "ENOENT") return notFound(file, directory);
  const evidence = result.stderr.trimEnd().split("\n").slice(-EVIDENCE_LINES).join("\n");
  if (/no space left on device|disk quota exceeded/i.test(result.stderr)) {
    return new MayflyError("DISK_FULL", `${file} ran out of disk space`, {
      evidence,
      remedy:
        "free some space (`df -h`), or, once `mayfly ls` is empty, move the data folder: MAYFLY_HOME=/larger/disk",
    });
  }
  const byHand = `run the same by hand to see more, or check that ${file} works on this host`;
  if (result.exitCode === undefined && result.signal === undefined) {
    const { code = "", originalMessage } = result;
    return new MayflyError("TOOL_FAILED", `${file} could not be started`, {
      evidence: originalMessage ?? code,
      remedy: START_REMEDIES[code] ?? byHand,
    });
  }
  const how = result.signal === undefined ? `exit code ${String(result.exitCode)}` : `signal ${result.signal}`;
  return new MayflyError("TOOL_FAILED", `${file} failed with ${how}`, {
    evidence,
    remedy: byHand,
  });
}

/** What the kernel says in the same words: there is no such program, or no such folder to start it in. */
function notFound(file: string, directory: string | undefined): MayflyError {
  if (directory === undefined || existsSync(directory)) return toolMissing(file);
  return new MayflyError("NOT_FOUND", `${file} could not be started in ${directory}`, {
    evidence: "there is no such folder",
    remedy: `ls -ld ${quoteIfNeeded(directory)}`,
  });
}

/** The error for a host program that is not installed. */
export function toolMissing(file: string): MayflyError {
  const name = PACKAGES[basename(file)] ?? basename(file);
  return new MayflyError("TOOL_MISSING", `the program ${file} is not installed on this host`, {
    evidence: `searched in PATH=${process.env["PATH"] ?? ""}`,
    remedy: `sudo apt-get install ${name}   (or your distribution's package that holds ${file})`,
  });
}
