import { closeSync, existsSync, openSync, readFileSync, readSync } from "node:fs";
import { Failure } from "../terminal/failure.mjs";
import { isSupported, readDistribution } from "./distribution.mjs";
import { programOf } from "./host.mjs";
import { packagesFor, unmetNeeds } from "./needs.mjs";
import { runAsRoot } from "./as-root.mjs";
import { isStaticElf } from "./static-elf.mjs";

/** @typedef {import("./host.mjs").Host} Host */

/** @type {import("./steps.mjs").Step} */
export const hostPackages = {
  title: "host packages",
  missing(host) {
    const needs = look(host);
    if (needs.length === 0) return undefined;
    const distribution = thisDistribution();
    const names = needs.map(({ name }) => name).join(", ");
    if (!isSupported(distribution)) return [names];
    return [`${names} (apt-get install ${packagesFor(distribution, needs).join(" ")})`];
  },
  async install(host, note) {
    const distribution = thisDistribution();
    const needs = look(host);
    if (!isSupported(distribution)) {
      throw new Failure(
        `The set-up can install packages on Debian (12 or newer) and Ubuntu (22.04 or newer), not on ${distribution.name}.`,
        {
          evidence: `missing: ${needs.map(({ name }) => name).join(", ")}`,
          remedy: "install these with this system's own package manager and run this again.",
        },
      );
    }
    const packages = packagesFor(distribution, needs);
    // One command, so that it is whole when it has to be handed to an administrator. An update running in the
    // background holds apt's lock for minutes on a fresh machine: wait for it. A broken source of others is no reason to stop.
    const apt = "apt-get -y -o DPkg::Lock::Timeout=300";
    const script = `${apt} update; DEBIAN_FRONTEND=noninteractive ${apt} install --no-install-recommends ${packages.join(" ")}`;
    await runAsRoot(host, ["sh", "-c", script], note);
  },
};

/** What this machine runs. */
function thisDistribution() {
  return readDistribution(existsSync("/etc/os-release") ? readFileSync("/etc/os-release", "utf8") : "");
}

/** @param {Host} host What to look at. */
function look(host) {
  return unmetNeeds({
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
