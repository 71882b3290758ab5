import { existsSync, realpathSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, isAbsolute, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Failure } from "../terminal/failure.mjs";
import { findProgram } from "../terminal/programs.mjs";
import { makeFolder } from "./folders.mjs";

/**
 * Where the set-up works.
 *
 * @typedef {object} Host
 * @property {string} root The clone.
 * @property {string} home Mayfly's data folder, the same as in `provider/host/paths.ts`.
 * @property {import("../terminal/programs.mjs").Environment} env What programs are started with; its PATH grows as the
 *   set-up goes on.
 */

/**
 * Mayfly's data folder: `$MAYFLY_HOME`, else for root `/var/lib/mayfly`, else `$XDG_DATA_HOME/mayfly`
 * (`~/.local/share/mayfly`).
 *
 * @param {import("../terminal/programs.mjs").Environment} env Where to look.
 * @param {number | undefined} uid Whose folder.
 */
export function dataFolder(env, uid = process.getuid?.()) {
  if (env["MAYFLY_HOME"]) return resolve(env["MAYFLY_HOME"]);
  if (uid === 0) return "/var/lib/mayfly";
  const data = env["XDG_DATA_HOME"] ?? "";
  return join(isAbsolute(data) ? data : join(env["HOME"] || homedir(), ".local", "share"), "mayfly");
}

/**
 * @returns {Host} The host as this process sees it.
 * @throws {Failure} When its data folder cannot be one.
 */
export function openHost() {
  const root = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
  const home = dataFolder(process.env);
  // provider/host/paths.ts says why, but only when all has been set up.
  if (home.includes(":"))
    throw new Failure("The data folder can't have a colon in its path.", {
      evidence: home,
      remedy: "choose another: MAYFLY_HOME=/another/folder",
    });
  makeFolder(home, "MAYFLY_HOME", 0o711); // as provider/host/paths.ts makes it
  const host = { root, home, env: withoutNpm(process.env) };
  if (host.env["MAYFLY_HOME"]) host.env["MAYFLY_HOME"] = home; // a relative one would depend on where a program is started
  // An ordinary user's PATH lacks the folders that hold runc and mkfs.erofs.
  const path = (host.env["PATH"] ?? "").split(delimiter).filter((folder) => !isBinOfClone(root, folder));
  const system = ["/usr/local/sbin", "/usr/sbin", "/sbin"].filter((folder) => !path.includes(folder));
  host.env["PATH"] = [...path, ...system].join(delimiter);
  useThisNode(host);
  trustAsOthersDo(host);
  return host;
}

/**
 * Puts a folder first on the PATH of all that is started from now on.
 *
 * @param {Host} host What to change.
 * @param {string} folder A folder of programs.
 */
export function usePrograms(host, folder) {
  const path = (host.env["PATH"] ?? "").split(delimiter).filter((other) => other !== folder);
  host.env["PATH"] = [folder, ...path].join(delimiter);
}

/**
 * A program of the PATH as it is now.
 *
 * @param {Host} host Where to look.
 * @param {string} name The program's name.
 */
export function programOf(host, name) {
  return findProgram(name, host.env["PATH"] ?? "");
}

/**
 * npm puts the clone's own tools first on the PATH of its scripts; among them is a `pulumi` that would shadow the user's.
 *
 * @param {string} root The clone.
 * @param {string} folder A folder of PATH.
 */
function isBinOfClone(root, folder) {
  return folder.endsWith("/node_modules/.bin") && `${root}/`.startsWith(folder.replace(/node_modules\/\.bin$/, ""));
}

/**
 * What npm tells its scripts about the run they belong to; an npm started by us must not take it for its own.
 *
 * @param {import("../terminal/programs.mjs").Environment} env What npm gave us.
 */
function withoutNpm(env) {
  const ofThisRun = /^(?:npm_(?:package|lifecycle)_|npm_command$|npm_config_local_prefix$|INIT_CWD$)/;
  return Object.fromEntries(Object.entries(env).filter(([name]) => !ofThisRun.test(name)));
}

/** @param {Host} host What to change, where PATH has another Node than the one that runs us. */
function useThisNode(host) {
  const found = programOf(host, "node");
  const own = process.execPath;
  if (found === undefined || realpathSync(found) !== realpathSync(own)) usePrograms(host, dirname(own));
}

/**
 * A user's own certificate authorities are in `SSL_CERT_FILE`, which curl, Go and Python read; Node, and so npm, reads
 * another variable.
 *
 * @param {Host} host What to change.
 */
function trustAsOthersDo(host) {
  const file = host.env["SSL_CERT_FILE"];
  if (file !== undefined && existsSync(file)) host.env["NODE_EXTRA_CA_CERTS"] ||= file;
}
