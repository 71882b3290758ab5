/**
 * @typedef {object} Distribution
 * @property {"debian" | "ubuntu" | "other"} family Whose packages it has.
 * @property {number} version Of Debian or Ubuntu: 12, 22.04. `Infinity` for one that is newer than its number (sid).
 * @property {string} name As it calls itself.
 */

// Distributions that are made from these name the release by its code name, and number their own as they like.
/** @type {Readonly<Record<string, number>>} */
const UBUNTU = { focal: 20.04, jammy: 22.04, noble: 24.04 };
/** @type {Readonly<Record<string, number>>} */
const DEBIAN = { bullseye: 11, bookworm: 12, trixie: 13 };

/**
 * Works out from the text of os-release(5) whose packages a machine has.
 *
 * @param {string} text The content of `/etc/os-release`.
 * @returns {Distribution} The distribution, for a derived one that which it is made from.
 */
export function readDistribution(text) {
  const fields = readFields(text);
  return { ...readFamily(fields), name: fields.get("PRETTY_NAME") ?? fields.get("NAME") ?? "an unknown system" };
}

/**
 * @param {ReadonlyMap<string, string>} fields Of os-release(5).
 * @returns {Pick<Distribution, "family" | "version">} Whose packages there are.
 */
function readFamily(fields) {
  const [id, ubuntu] = [fields.get("ID"), fields.get("UBUNTU_CODENAME")];
  const number = Number(fields.get("VERSION_ID") ?? Number.POSITIVE_INFINITY); // Debian sid has none
  if (id === "ubuntu" || id === "debian") return { family: id, version: number };
  if (ubuntu !== undefined) return { family: "ubuntu", version: UBUNTU[ubuntu] ?? Number.POSITIVE_INFINITY };
  const isDebian = fields.get("ID_LIKE")?.split(" ").includes("debian") === true;
  return isDebian ? { family: "debian", version: debianVersion(fields) } : { family: "other", version: number };
}

/** @param {ReadonlyMap<string, string>} fields Of a distribution that is made from Debian. */
function debianVersion(fields) {
  const codename = fields.get("DEBIAN_CODENAME") ?? fields.get("VERSION_CODENAME") ?? "";
  return DEBIAN[codename] ?? Number.POSITIVE_INFINITY;
}

/**
 * Whether we know which packages to ask for, and they will do: Ubuntu 22.04 has podman 3.4, which cannot remove a container
 * in no time (`podman rm --time` is new in 4.0), and QEMU 6.2.
 *
 * @param {Distribution} distribution What {@link readDistribution} found.
 */
export function isSupported({ family, version }) {
  return (family === "debian" && version >= 12) || (family === "ubuntu" && version >= 24.04);
}

/**
 * @param {string} text Lines `NAME=value`, the value quoted or not.
 * @returns {ReadonlyMap<string, string>} Values by name.
 */
function readFields(text) {
  const lines = text.matchAll(/^([A-Z_]+)=(["']?)(.*)\2$/gm);
  return new Map([...lines].map(([, name = "", , value = ""]) => [name, value]));
}
