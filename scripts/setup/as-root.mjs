import { Failure, failureOf } from "../terminal/failure.mjs";
import { attach, run } from "../terminal/programs.mjs";
import { say } from "../terminal/say.mjs";
import { programOf } from "./host.mjs";

/** @typedef {import("./host.mjs").Host} Host */
/** @typedef {import("../terminal/programs.mjs").Environment} Environment */

/**
 * What the programs that we start as root read of the user's environment: apt its proxies, in lower case only. It takes
 * certificates from the system alone, so there is nothing to pass on for an authority of the user's own.
 */
const PROXIES = ["http_proxy", "https_proxy", "all_proxy", "no_proxy"];

/** What {@link keep} found out; asked once a run. @type {Promise<readonly string[]> | undefined} */
let kept;

/**
 * Makes sure that {@link runAsRoot} will work. Asks for sudo's password, so nothing else may be on the terminal now.
 *
 * @param {Host} host Where it runs.
 * @param {string} command What root is needed for, as an administrator would type it.
 * @throws {Failure} With that command, when there is neither root nor sudo.
 */
export async function claimRoot(host, command) {
  if (process.getuid?.() === 0) return;
  const remedy = `have an administrator run: ${command}`;
  const sudo = programOf(host, "sudo");
  if (sudo === undefined) throw new Failure("This needs root's rights, and there is no sudo here.", { remedy });
  const message = "This needs root's rights, and sudo does not give them to this user here.";
  // Not `-v` at once: that asks for a password unless all rules of the user go without, those of a group among them.
  const refusal = await failureOf(run(sudo, ["-n", "true"], { env: host.env }));
  if (refusal === undefined) return;
  if (process.stdin.isTTY && process.stdout.isTTY) {
    if ((await attach(sudo, ["-v"], { env: host.env })) !== 0) throw new Failure(message, { remedy });
    return;
  }
  throw new Failure(message, {
    evidence: refusal.evidence,
    remedy: `run this in a terminal, where sudo can ask for a password; or ${remedy}`,
    cause: refusal,
  });
}

/**
 * Runs a program with root's rights, through sudo where we are not root. The user's proxies reach it either way.
 *
 * @param {Host} host Where it runs.
 * @param {readonly string[]} command The program and its arguments.
 * @param {(line: string) => void} note Gets each line of its output.
 */
export async function runAsRoot(host, command, note) {
  const env = withProxies(host.env);
  const sudo = process.getuid?.() === 0 ? [] : ["sudo", ...(await (kept ??= keep(env)))];
  const [file = "", ...args] = [...sudo, ...command];
  await run(file, args, { env, note });
}

/**
 * An environment with each proxy under its lower-case name, too.
 *
 * @param {Environment} env What the user has set.
 * @returns {Environment} That, and what was there in upper case alone.
 */
export function withProxies(env) {
  const proxies = PROXIES.map((name) => [name, env[name] || env[name.toUpperCase()]]).filter(([, value]) => value);
  return { ...env, ...Object.fromEntries(proxies) };
}

/**
 * sudo drops the environment. Its option passes variables on by name: a proxy's password stays out of the arguments,
 * which every user can read and sudo logs.
 *
 * @param {Environment} env What the program is to see.
 * @returns {Promise<readonly string[]>} Arguments for sudo.
 */
async function keep(env) {
  const names = PROXIES.filter((name) => env[name]);
  if (names.length === 0) return [];
  const option = `--preserve-env=${names.join(",")}`;
  const isRefused = (await failureOf(run("sudo", ["-n", option, "true"], { env }))) !== undefined;
  // Where sudo asks for a password each time, this tells nothing.
  if (!isRefused || (await failureOf(run("sudo", ["-n", "true"], { env }))) !== undefined) return [option];
  say(`set-up: sudo may not pass ${names.join(", ")} on here; apt uses what /etc/apt says.`);
  return [];
}
