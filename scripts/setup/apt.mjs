import { Failure, failureOf } from "../terminal/failure.mjs";
import { runAsRoot } from "./as-root.mjs";

/**
 * Installs packages with apt, as root.
 *
 * @param {import("./host.mjs").Host} host Where it runs.
 * @param {readonly string[]} packages Their names.
 * @param {(line: string) => void} note Gets what apt says.
 */
export async function aptInstall(host, packages, note) {
  // An update running in the background holds apt's lock for minutes on a fresh machine: wait for it.
  const apt = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-y", "-o", "DPkg::Lock::Timeout=300"];
  // A broken source that is none of our business fails the update; whether that matters, the installation shows.
  // By default apt calls it a success when it could not fetch anything.
  const stale = await failureOf(runAsRoot(host, [...apt, "-o", "APT::Update::Error-Mode=any", "update"], note));
  const failed = await failureOf(runAsRoot(host, [...apt, "install", "--no-install-recommends", ...packages], note));
  if (failed !== undefined) throw aptFailure(stale, failed);
}

/**
 * The cause comes first: without package lists apt only says that it knows no such package.
 *
 * @param {Failure | undefined} stale How the update of its lists failed, if it did.
 * @param {Failure} failed How the installation failed.
 */
export function aptFailure(stale, failed) {
  const lists = stale === undefined ? "" : "fetch its package lists, and then could not ";
  return new Failure(`apt could not ${lists}install the packages.`, {
    evidence: [stale, failed].flatMap((failure) => complaints(failure?.evidence ?? "")).join("\n"),
    remedy: "make `apt-get update` and this installation work (/etc/apt, network, proxy), then run this again.",
    cause: failed,
  });
}

/** @param {string} said What apt printed. @returns {readonly string[]} What was wrong, or all of it. */
function complaints(said) {
  const lines = said.split("\n").filter((line) => line !== "");
  const bad = lines.filter((line) => /^(?:E|W|Err:\d+|dpkg|sudo):? /.test(line));
  return bad.length > 0 ? bad : lines;
}
