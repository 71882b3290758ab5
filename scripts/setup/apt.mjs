import { setTimeout as sleep } from "node:timers/promises";
import { Failure, failureOf } from "../terminal/failure.mjs";
import { say } from "../terminal/say.mjs";
import { runAsRoot } from "./as-root.mjs";

const LOCKED_SECONDS = 300; // an update in the background holds apt's locks for minutes on a fresh machine
const RETRY_MS = 2_000;

/**
 * Installs packages with apt, as root.
 *
 * @param {import("./host.mjs").Host} host Where it runs.
 * @param {readonly string[]} packages Their names.
 * @param {(line: string) => void} note Gets what apt says.
 */
export async function aptInstall(host, packages, note) {
  const environment = ["DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8"]; // its words are looked at
  const apt = ["env", ...environment, "apt-get", "-y", "-o", `DPkg::Lock::Timeout=${LOCKED_SECONDS}`];
  // A broken source that is none of our business fails the update; whether that matters, the installation shows.
  // By default apt calls it a success when it could not fetch anything.
  const update = () => failureOf(runAsRoot(host, [...apt, "-o", "APT::Update::Error-Mode=any", "update"], note));
  const stale = await untilUnlocked(update);
  const install = () => failureOf(runAsRoot(host, [...apt, "install", "--no-install-recommends", ...packages], note));
  let failed = await install();
  if (/'(?:sudo )?dpkg --configure -a'/.test(failed?.evidence ?? "")) {
    // Somebody's installation was cut short, maybe our own.
    await runAsRoot(host, ["env", ...environment, "dpkg", "--configure", "-a"], note);
    failed = await install();
  }
  if (failed !== undefined) throw aptFailure(stale, failed);
}

/**
 * Repeats an update while another one holds the lock of apt's lists: for that one, apt has no timeout.
 *
 * @param {() => Promise<Failure | undefined>} update Says how it failed, if it did.
 */
async function untilUnlocked(update) {
  const begun = performance.now();
  for (let isTold = false; ; isTold = true) {
    const failed = await update();
    const isLocked = /Could not get lock \S*\/lists\/lock/.test(failed?.evidence ?? "");
    if (!isLocked || performance.now() - begun > LOCKED_SECONDS * 1_000) return failed;
    if (!isTold) say(`set-up: waiting for another program that updates apt's lists, up to ${LOCKED_SECONDS / 60} min`);
    await sleep(RETRY_MS);
  }
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
