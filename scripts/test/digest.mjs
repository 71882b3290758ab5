import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Digest of files, by name and content.
 *
 * @param {string} folder Where they are.
 * @param {readonly string[]} names In it.
 * @param {string} besides What else makes a difference.
 * @returns {string} 16 hexadecimal digits.
 */
export function digestOfFiles(folder, names, besides = "") {
  const hash = createHash("sha256").update(besides);
  for (const name of [...names].sort())
    hash
      .update(`${name}\0`)
      .update(readFileSync(join(folder, name)))
      .update("\0");
  return hash.digest("hex").slice(0, 16);
}
