import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { askedToEnd, holdSignals, Interrupted } from "../terminal/signals.mjs";
import { clearHalfMade } from "./half-made.mjs";
import { programOf } from "./host.mjs";

const STALLED_MS = 20_000; // a slow line moves bytes in that time; a closed one none
const LOOK_MS = 1_000;
const FETCH_BY_CURL = fileURLToPath(new URL("fetch-by-curl.mjs", import.meta.url));

/**
 * Lets npm's launcher download Pulumi into its own folder. It has no deadline, so we look whether bytes come.
 *
 * @param {import("./host.mjs").Host} host Where it runs.
 * @param {string} folder The folder that the launcher fills, named by the version.
 * @param {(line: string) => void} note Gets what it says.
 * @returns {Promise<string>} What it said last: the reason, when it failed. Look at the folder to see whether it did.
 * @throws {Interrupted} When a signal has asked us to end.
 */
export async function downloadPulumi(host, folder, note) {
  clearHalfMade(tmpdir(), /^mayfly-pulumi-(\d+)-\w+$/);
  const scratch = mkdtempSync(join(tmpdir(), `mayfly-pulumi-${process.pid}-`)); // where its downloads grow, to be watched
  const launcher = join(host.root, "node_modules", "pulumi", "run.js");
  const env = { ...host.env, PULUMI_VERSION: basename(folder), TMPDIR: scratch, PULUMI_SKIP_UPDATE_CHECK: "1" };
  // A group of its own: the launcher starts a shell, that starts curl, and all must end together.
  const args = ["--import", FETCH_BY_CURL, launcher, "version"];
  const child = spawn(programOf(host, "node") ?? process.execPath, args, {
    env,
    cwd: host.root,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let last = "it said nothing";
  /** @param {Buffer} output What it said. */
  const hear = (output) => {
    last =
      output
        .toString()
        .trim()
        .split(/[\r\n]+/)
        .at(-1) || last;
    note(last);
  };
  child.stdout.on("data", hear);
  child.stderr.on("data", hear);
  const ended = new Promise((resolve) => {
    child.once("close", resolve).once("error", resolve);
  });
  try {
    const stalled = watch([scratch, folder], ended);
    if (await holdSignals(stalled, () => end(child.pid))) last = `no byte came for ${STALLED_MS / 1_000} s`;
    if (askedToEnd() !== undefined) throw new Interrupted("the download of Pulumi was the last");
    return last;
  } finally {
    end(child.pid);
    rmSync(scratch, { recursive: true, force: true });
  }
}

/**
 * Waits until a download has ended or nothing grows any more.
 *
 * @param {readonly string[]} folders Where files may grow.
 * @param {Promise<unknown>} ended Settles when the program has ended.
 * @returns {Promise<boolean>} Whether it has stalled.
 */
async function watch(folders, ended) {
  let [size, grownAt] = [-1, performance.now()];
  while (performance.now() - grownAt < STALLED_MS) {
    if (await Promise.race([ended.then(() => true), sleep(LOOK_MS, false)])) return false;
    const now = folders.reduce((sum, folder) => sum + sizeOf(folder), 0);
    if (now !== size) [size, grownAt] = [now, performance.now()];
  }
  return true;
}

/** @param {string} path A file or folder, which may vanish while we look. @returns {number} Bytes in it. */
function sizeOf(path) {
  try {
    const stat = statSync(path);
    if (!stat.isDirectory()) return stat.size;
    return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0);
  } catch {
    return 0;
  }
}

/** @param {number | undefined} group A process group, which may have ended. */
function end(group) {
  try {
    if (group !== undefined) process.kill(-group, "SIGKILL");
  } catch {
    // it has ended by itself
  }
}
