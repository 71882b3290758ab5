import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { attach, run } from "../terminal/programs.mjs";
import { removeDeadLocks } from "./locks.mjs";

/** The stack of the quickstart. */
const STACK = "dev";
const PROJECT = "mayfly-quickstart"; // as in Pulumi.yaml

/** @typedef {import("../setup/host.mjs").Host} Host */

/**
 * Where Pulumi keeps the quickstart's state: in the user's data folder, without an account, unless the user has chosen
 * a backend of their own.
 *
 * @param {Host} host Whose environment to look at.
 * @returns {string | undefined} The folder; `undefined` where the user has chosen.
 */
function stateFolder(host) {
  return host.env["PULUMI_BACKEND_URL"] ? undefined : ownFolder(host);
}

/** @param {Host} host Whose data folder. */
function ownFolder({ home }) {
  return join(home, "stacks");
}

/**
 * Whether the quickstart has a stack. Only looks at files; `undefined` means that only Pulumi knows.
 *
 * @param {Host} host Where to look.
 */
export function hasStack(host) {
  return stateFolder(host) === undefined ? undefined : isInOwnFolder(host);
}

/**
 * Whether there is a quickstart that was made without the backend that the user has chosen now, and is not seen by it.
 *
 * @param {Host} host Where to look.
 */
export function isElsewhere(host) {
  return stateFolder(host) === undefined && isInOwnFolder(host);
}

/**
 * By the names that Pulumi gives its files, also where the user's own settings for backends of files have named them.
 *
 * @param {Host} host Where to look.
 */
function isInOwnFolder(host) {
  const stacks = join(ownFolder(host), ".pulumi", "stacks");
  const files = ["json", "json.gz", "json.zst"].map((ending) => `${STACK}.${ending}`);
  return files.some((file) => existsSync(join(stacks, PROJECT, file)) || existsSync(join(stacks, file)));
}

/** The user's settings for backends of files: how state is laid out, and compressed. */
const FILE_SETTINGS = /^PULUMI_(?:DIY_BACKEND|SELF_MANAGED_STATE)_/;

/**
 * Makes the quickstart's stack unless it is there.
 *
 * @param {Host} host Where programs are started.
 */
export async function openStack(host) {
  await run("pulumi", ["stack", "select", STACK, "--create"], forPulumi(host));
}

/**
 * Brings all of the stack up. No preview: it would be answered with yes.
 *
 * @param {Host} host Where programs are started.
 * @returns {Promise<number>} Pulumi's exit code.
 */
export async function up(host) {
  return attach("pulumi", ["up", "--suppress-outputs", ...display()], forPulumi(host));
}

/**
 * Takes all of the stack down, and the stack itself with the copies that Pulumi keeps of its former states: our empty
 * passphrase protects no private key in them.
 *
 * @param {Host} host Where programs are started.
 * @returns {Promise<number>} Pulumi's exit code.
 */
export async function destroy(host) {
  const code = await attach("pulumi", ["destroy", "--remove", ...display()], forPulumi(host));
  if (code !== 0) return code;
  await run("pulumi", ["stack", "unselect"], forPulumi(host)); // Pulumi would go on to name it as this folder's stack
  const folder = stateFolder(host);
  if (folder === undefined) return code; // a backend of the user's own keeps what it keeps
  for (const copies of ["backups", "history", "stacks"]) {
    rmSync(join(folder, ".pulumi", copies, PROJECT), { recursive: true, force: true });
  }
  return 0;
}

/** Pulumi's own display on our terminal, without what has no use here. */
function display() {
  const inLog = process.stdout.isTTY ? [] : ["--non-interactive", "--suppress-progress"];
  return ["--yes", "--skip-preview", "--suppress-permalink=true", ...inLog, "--stack", STACK];
}

/**
 * The stack's outputs that are plain text.
 *
 * @param {Host} host Where programs are started.
 * @returns {Promise<ReadonlyMap<string, string>>} Texts by name.
 */
export async function outputs(host) {
  /** @type {Record<string, unknown>} */
  const values = JSON.parse(await run("pulumi", ["stack", "output", "--json", "--stack", STACK], forPulumi(host)));
  return new Map(Object.entries(values).map(([name, value]) => [name, String(value)]));
}

/** @param {Host} host Where programs are started. */
function forPulumi(host) {
  const folder = stateFolder(host);
  /** @type {import("../terminal/programs.mjs").Environment} */
  const env = { ...host.env, PULUMI_SKIP_UPDATE_CHECK: "1", PULUMI_SUPPRESS_NEO_LINK: "true" };
  if (folder === undefined) return { env, cwd: host.root };
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  removeDeadLocks(join(folder, ".pulumi", "locks"));
  const settings = Object.keys(env).filter((name) => FILE_SETTINGS.test(name));
  const unset = Object.fromEntries(["PULUMI_CONFIG_PASSPHRASE_FILE", ...settings].map((name) => [name, undefined]));
  // The state lies in a folder that only this user may read; a passphrase kept beside it would add nothing. And one that a
  // shell happens to have would be missing in the next.
  const ours = { PULUMI_BACKEND_URL: pathToFileURL(folder).href, PULUMI_CONFIG_PASSPHRASE: "" };
  return { env: { ...env, ...unset, ...ours }, cwd: host.root };
}
