import { closeSync, existsSync, openSync, readFileSync, readSync } from "node:fs";
import { Failure } from "../terminal/failure.mjs";
import { isSupported, readDistribution } from "./distribution.mjs";
import { programOf } from "./host.mjs";
import { DOWNLOAD_NEEDS, FOREIGN_NEEDS, NEEDS, packagesFor, TEST_NEEDS, unmetNeeds } from "./needs.mjs";
import { aptInstall } from "./apt.mjs";
import { isStaticElf } from "./static-elf.mjs";

/** @typedef {import("./host.mjs").Host} Host */

/**
 * A step that installs packages of the host's distribution.
 *
 * @param {string} title What they are for.
 * @param {readonly import("./needs.mjs").Need[]} wanted What has to be there.
 * @returns {import("./steps.mjs").Step} That step.
 */
const packagesStep = (title, wanted) => ({
  title,
  missing(host) {
    const needs = look(host, wanted);
    if (needs.length === 0) return undefined;
    const distribution = thisDistribution();
    const names = needs.map(({ name }) => name).join(", ");
    if (!isSupported(distribution)) return [names];
    return [`${names} (apt-get install ${packagesFor(distribution, needs).join(" ")})`];
  },
  asRoot(host) {
    const distribution = thisDistribution();
    if (!isSupported(distribution)) {
      const where = "Debian (12 or newer) and Ubuntu (24.04 or newer)";
      throw new Failure(`The set-up can install packages on ${where}, not on ${distribution.name}.`, {
        evidence: `missing: ${look(host, wanted)
          .map(({ name }) => name)
          .join(", ")}`,
        remedy: "install these with this system's own package manager and run this again.",
      });
    }
    const packages = packagesFor(distribution, look(host, wanted));
    return `apt-get update; apt-get install --no-install-recommends ${packages.join(" ")}`;
  },
  async install(host, note) {
    await aptInstall(host, packagesFor(thisDistribution(), look(host, wanted)), note);
  },
});

/** What the product needs of the host. */
export const hostPackages = packagesStep("host packages", NEEDS);

/** What Pulumi's installer needs of the host, where it has to run. */
export const downloader = packagesStep("packages for Pulumi's installer", DOWNLOAD_NEEDS);

/** What the tests need of the host beyond that. */
export const testPackages = packagesStep("packages for the tests", TEST_NEEDS);

/** What guests for another processor need of the host. */
export const foreignPackages = packagesStep("packages for guests of arm64", FOREIGN_NEEDS);

/** What this machine runs. */
function thisDistribution() {
  return readDistribution(existsSync("/etc/os-release") ? readFileSync("/etc/os-release", "utf8") : "");
}

/**
 * @param {Host} host What to look at.
 * @param {readonly import("./needs.mjs").Need[]} wanted What has to be there.
 */
function look(host, wanted) {
  return unmetNeeds(wanted, {
    program: (name) => programOf(host, name),
    exists: existsSync,
    isStatic: (file) => isStaticElf(firstBytes(file)),
  });
}

/** @param {string} file A program, maybe of megabytes. */
function firstBytes(file) {
  const bytes = Buffer.alloc(8_192);
  const descriptor = openSync(file, "r");
  try {
    return bytes.subarray(0, readSync(descriptor, bytes));
  } finally {
    closeSync(descriptor);
  }
}
