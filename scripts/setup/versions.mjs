/**
 * Reads the first version number in a text: `v22.23.3`, `go version go1.26.8 linux/amd64`, `v3.255.0-dev`.
 *
 * @param {string} text What a program printed about itself.
 * @returns {readonly [number, number, number] | undefined} Major, minor and patch; a missing part is 0.
 */
export function parseVersion(text) {
  const [, major, minor, patch = "0"] = /(\d+)\.(\d+)(?:\.(\d+))?/.exec(text) ?? [];
  return major === undefined ? undefined : [Number(major), Number(minor), Number(patch)];
}

/**
 * Whether a version is at least another. A text without a version is not.
 *
 * @param {string} text What a program printed about itself.
 * @param {string} least The oldest version that will do.
 */
export function isAtLeast(text, least) {
  const [seen, wanted] = [parseVersion(text), parseVersion(least)];
  if (seen === undefined || wanted === undefined) return false;
  const [major, minor, patch] = [seen[0] - wanted[0], seen[1] - wanted[1], seen[2] - wanted[2]];
  return (major || minor || patch) >= 0;
}
