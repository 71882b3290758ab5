import { badKey } from "./key-text";
import { fingerprintOf } from "./host-key";

/** The public half of a key. */
export interface PublicKey {
  /** One line of OpenSSH's form, the comment at its end. */
  readonly publicKey: string;
  /** As OpenSSH prints it: `SHA256:…`. */
  readonly fingerprint: string;
}

/**
 * Reads a line of OpenSSH's form.
 *
 * @param comment Text at its end. @default the line's own
 * @throws {MayflyError} `BAD_KEY` when it is none.
 */
export function parsePublicKey(line: string, comment?: string): PublicKey {
  const [, type, base64, own = ""] = /^([\w@.-]+) ([A-Za-z0-9+/]+={0,3})(?: (.*))?$/.exec(line.trim()) ?? [];
  if (type === undefined || base64 === undefined) throw badKey("is no public key either", "give the text of the .pub");
  return {
    publicKey: [type, base64, comment ?? own].join(" ").trim(),
    fingerprint: fingerprintOf(Buffer.from(base64, "base64")),
  };
}
