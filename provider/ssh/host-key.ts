import { createHash } from "node:crypto";
import { MayflyError } from "../errors";

/** A server's public host key. */
export interface HostKey {
  /** `ssh-ed25519`, `ecdsa-sha2-nistp256`, `ssh-rsa`… */
  readonly type: string;
  /** The key as it goes over the wire. */
  readonly blob: Buffer;
  /** As OpenSSH prints it: `SHA256:…`. */
  readonly fingerprint: string;
}

/** Signature algorithms by type of key, the better ones first. None of them uses SHA-1. */
const ALGORITHMS: Readonly<Record<string, readonly string[]>> = {
  "ssh-ed25519": ["ssh-ed25519"],
  "ecdsa-sha2-nistp256": ["ecdsa-sha2-nistp256"],
  "ecdsa-sha2-nistp384": ["ecdsa-sha2-nistp384"],
  "ecdsa-sha2-nistp521": ["ecdsa-sha2-nistp521"],
  "ssh-rsa": ["rsa-sha2-512", "rsa-sha2-256"],
};

/**
 * Reads a host key as it stands in `known_hosts`, in a `.pub` file or in the output of `ssh-keyscan`.
 *
 * @throws {MayflyError} `BAD_KEY` when there is none in the text.
 */
export function parseHostKey(line: string): HostKey {
  const [, type = "", base64 = ""] = /(?:^|\s)((?:ssh|ecdsa)-[\w-]+)\s+([A-Za-z0-9+/]+={0,2})(?:\s|$)/.exec(line) ?? [];
  const blob = Buffer.from(base64, "base64");
  if (ALGORITHMS[type] === undefined || typeInside(blob) !== type)
    throw new MayflyError("BAD_KEY", "the host key is no public key of a kind that can be pinned", {
      evidence: `wanted one line with ${Object.keys(ALGORITHMS).join(", ")} and the key in base64`,
      remedy: "take the line from /etc/ssh/ssh_host_ed25519_key.pub on the server, or from `ssh-keyscan HOST`",
    });
  return { type, blob, fingerprint: fingerprintOf(blob) };
}

/** Which signatures a server may use to prove that it holds this key. */
export function signatureAlgorithms(key: HostKey): string[] {
  return [...(ALGORITHMS[key.type] ?? [])];
}

/** The fingerprint of a public key, as OpenSSH prints it. */
export function fingerprintOf(blob: Buffer): string {
  return `SHA256:${createHash("sha256").update(blob).digest("base64").replace(/=+$/, "")}`;
}

/** The type that a key names itself: its first field, with its length before it (RFC 4253, section 6.6). */
function typeInside(blob: Buffer): string | undefined {
  return blob.length < 4 ? undefined : blob.toString("latin1", 4, 4 + blob.readUInt32BE(0));
}
