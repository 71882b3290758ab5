import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { release } from "node:os";

/** What of proc(5) `/proc/cpuinfo` tells processors apart, on x86-64 and on ARM; the rest is clocks and counts. */
const TELLING = /^(?:vendor_id|cpu family|model|model name|stepping|microcode|flags|Features|CPU \w+)\s*:.*$/gm;

/**
 * Digest of what a guest that runs on this host's own processors may have seen of them: they, their microcode, and the
 * kernel, by whose KVM the guest sees them.
 */
export function hostProcessor(): string {
  return processorDigest(readFileSync("/proc/cpuinfo", "utf8"), release());
}

/** The digest, of the first processor that a text lists. Pure. */
export function processorDigest(cpuinfo: string, kernelRelease: string): string {
  const [first = ""] = cpuinfo.split("\n\n");
  const lines = first.match(TELLING) ?? [];
  return createHash("sha256")
    .update([kernelRelease, ...lines].join("\n"))
    .digest("hex")
    .slice(0, 16);
}
