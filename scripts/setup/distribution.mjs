/**
 * @typedef {object} Distribution
 * @property {"debian" | "ubuntu" | "other"} family Whose packages it has.
 * @property {number} version Of Debian or Ubuntu: 12, 22.04. `Infinity` for one that is newer than its number (sid).
 * @property {string} name As it calls itself.
 */

// Distributions made from these say so by the code name and number themselves as they like.
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
  const name = fields.get("PRETTY_NAME") ?? fields.get("NAME") ?? "an unknown system";
  const id = fields.get("ID") ?? "";
  const like = [id, ...(fields.get("ID_LIKE") ?? "").split(" ")];
  const number = Number(fields.get("VERSION_ID") ?? Number.POSITIVE_INFINITY); // Debian sid has none
  if (id === "ubuntu" || id === "debian") return { family: id, version: number, name };
  const ubuntu = fields.get("UBUNTU_CODENAME");
  if (ubuntu !== undefined) return { family: "ubuntu", version: UBUNTU[ubuntu] ?? Number.POSITIVE_INFINITY, name };
  const debian = fields.get("DEBIAN_CODENAME") ?? fields.get("VERSION_CODENAME") ?? "";
  if (like.includes("debian")) return { family: "debian", version: DEBIAN[debian] ?? Number.POSITIVE_INFINITY, name };
  return { family: "other", version: number, name };
}

/**
 * Whether we know which packages to ask for.
 *
 * @param {Distribution} distribution What {@link readDistribution} found.
 */
export function isSupported({ family, version }) {
  return (family === "debian" && version >= 12) || (family === "ubuntu" && version >= 22.04);
}

/**
 * @param {string} text Lines `NAME=value`, the value quoted or not.
 * @returns {ReadonlyMap<string, string>} Values by name.
 */
function readFields(text) {
  const lines = text.matchAll(/^([A-Z_]+)=(["']?)(.*)\2$/gm);
  return new Map([...lines].map(([, name = "", , value = ""]) => [name, value]));
}
