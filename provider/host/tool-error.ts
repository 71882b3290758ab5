import { MayflyError } from "../errors";

/** The part of a finished program that tells why it failed. */
export interface ToolResult {
  /** `ENOENT` and the like, where the program could not be started. */
  readonly code?: string | undefined;
  readonly exitCode?: number | undefined;
  readonly signal?: string | undefined;
  readonly stderr: string;
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
  scp: "openssh-client",
  ssh: "openssh-client",
  setpriv: "util-linux",
  ip: "iproute2",
};

const EVIDENCE_LINES = 15; // enough for a stack of podman's wrapped errors, short enough to read

/** The one place where a host program's failure becomes an error of ours. */
export function toolError(file: string, result: ToolResult): MayflyError {
  if (result.code === "ENOENT") return toolMissing(file);
  const evidence = result.stderr.trimEnd().split("\n").slice(-EVIDENCE_LINES).join("\n");
  if (/no space left on device|disk quota exceeded/i.test(result.stderr)) {
    return new MayflyError("DISK_FULL", `${file} ran out of disk space`, {
      evidence,
      remedy:
        "free some space (`df -h`), or, once `mayfly ls` is empty, move the data folder: MAYFLY_HOME=/larger/disk",
    });
  }
  const how = result.signal === undefined ? `exit code ${String(result.exitCode)}` : `signal ${result.signal}`;
  return new MayflyError("TOOL_FAILED", `${file} failed with ${how}`, {
    evidence,
    remedy: `run the same by hand to see more, or check that ${file} works on this host`,
  });
}

/** The error for a host program that is not installed. */
export function toolMissing(file: string): MayflyError {
  const name = PACKAGES[file] ?? file;
  return new MayflyError("TOOL_MISSING", `the program ${file} is not installed on this host`, {
    evidence: `searched in PATH=${process.env["PATH"] ?? ""}`,
    remedy: `sudo apt-get install ${name}   (or your distribution's package that holds ${file})`,
  });
}
