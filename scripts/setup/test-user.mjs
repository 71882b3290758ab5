import { chmodSync, chownSync, cpSync, existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { run } from "../terminal/programs.mjs";
import { programOf } from "./host.mjs";
import { PULUMI_PROGRAMS } from "./pulumi.mjs";
import { rangeArguments, read } from "./subordinate-ids.mjs";

/** The ordinary user that the tests make where they run as root, to work as most people do. */
const NAME = "mayfly-test";
// Open to all on every stock distribution; in a container often not. Without them no rootless network and no overlay.
const DEVICES = ["/dev/net/tun", "/dev/fuse"];

/** @typedef {import("./host.mjs").Host} Host */

/** @type {import("./steps.mjs").Step} */
const devices = {
  title: "devices",
  missing() {
    const closed = DEVICES.filter((file) => existsSync(file) && (statSync(file).mode & 0o666) !== 0o666);
    return closed.length === 0 ? undefined : [`${closed.join(", ")} open to every user (chmod 666)`];
  },
  async install() {
    for (const file of DEVICES.filter(existsSync)) chmodSync(file, 0o666);
  },
};

/** @type {import("./steps.mjs").Step} */
const account = {
  title: "test user",
  missing() {
    const user = lookUp();
    const isReady = user !== undefined && rangeArguments(NAME, user.uid, read).length === 0 && hasRuntimeFolder(user);
    return isReady ? undefined : [`the user ${NAME} for the tests (useradd, sub-ids, /run/user)`];
  },
  async install({ env }, note) {
    if (lookUp() === undefined) await run("useradd", ["--create-home", "--shell", "/bin/bash", NAME], { env, note });
    const user = lookUp();
    if (user === undefined) return;
    const ranges = rangeArguments(NAME, user.uid, read);
    if (ranges.length > 0) await run("usermod", [...ranges, NAME], { env, note });
    await makeRuntimeFolder(user, env, note);
  },
  use(host) {
    host.env["MAYFLY_TEST_USER"] = NAME;
  },
};

/** Node and Pulumi where the test user can run them: those in root's home are closed to it. */
/** @type {import("./steps.mjs").Step} */
const programs = {
  title: "test user's programs",
  missing(host) {
    const lacking = closedPrograms(host).filter((file) => !isCopied(file));
    return lacking.length === 0 ? undefined : lacking.map((file) => basename(file));
  },
  async install(host) {
    mkdirSync(programFolder(), { recursive: true });
    chmodSync(programFolder(), 0o755); // whatever root's umask
    for (const file of closedPrograms(host)) {
      cpSync(file, copyOf(file), { dereference: true, preserveTimestamps: true });
      chmodSync(copyOf(file), 0o755);
    }
  },
  use(host) {
    host.env["MAYFLY_TEST_USER_PATH"] = `${programFolder()}:${host.env["PATH"] ?? ""}`;
  },
};

/** What tests as root need beyond {@link STEPS}. @type {readonly import("./steps.mjs").Step[]} */
export const TEST_USER_STEPS = [devices, account, programs];

/** The test user as passwd(5) has it. */
function lookUp() {
  const [, uid, gid, home = ""] =
    new RegExp(`^${NAME}:[^:]*:(\\d+):(\\d+):[^:]*:([^:]*):`, "m").exec(readFileSync("/etc/passwd", "utf8")) ?? [];
  return uid === undefined ? undefined : { uid: Number(uid), gid: Number(gid), home };
}

/** @typedef {NonNullable<ReturnType<typeof lookUp>>} User */

/** @param {User} user Whose folder. */
function runtimeFolder({ uid }) {
  return `/run/user/${uid}`;
}

/** @param {User} user Whose folder. */
function hasRuntimeFolder(user) {
  const folder = runtimeFolder(user);
  return existsSync(folder) && statSync(folder).uid === user.uid;
}

/**
 * @param {User} user Whose folder.
 * @param {import("../terminal/programs.mjs").Environment} env Where programs are started.
 * @param {(line: string) => void} note Gets their output.
 */
async function makeRuntimeFolder(user, env, note) {
  // logind makes the folder, and the user's own systemd that podman's limits need; elsewhere it is just a folder.
  if (existsSync("/run/systemd/system")) await run("loginctl", ["enable-linger", NAME], { env, note });
  if (hasRuntimeFolder(user)) return;
  mkdirSync(runtimeFolder(user), { recursive: true });
  chmodSync(runtimeFolder(user), 0o700);
  chownSync(runtimeFolder(user), user.uid, user.gid);
}

/** @param {Host} host Where they are. @returns {readonly string[]} Programs in folders that are closed to others. */
function closedPrograms(host) {
  const found = ["node", ...PULUMI_PROGRAMS].map((name) => programOf(host, name)).filter((file) => file !== undefined);
  return found.filter((file) => !isOpen(dirname(file)));
}

/** @param {string} folder Whether every user may look for a program in it. @returns {boolean} */
function isOpen(folder) {
  return (statSync(folder).mode & 0o001) !== 0 && (folder === "/" || isOpen(dirname(folder)));
}

function programFolder() {
  return join(lookUp()?.home ?? "/nonexistent", "programs");
}

/** @param {string} file A program of ours. */
function copyOf(file) {
  return join(programFolder(), basename(file));
}

/** @param {string} file A program of ours. */
function isCopied(file) {
  const [from, to] = [statSync(file), statSync(copyOf(file), { throwIfNoEntry: false })];
  if (to === undefined || [statSync(programFolder()), to].some(({ mode }) => (mode & 0o005) !== 0o005)) return false;
  return from.size === to.size && Math.abs(from.mtimeMs - to.mtimeMs) < 1_000;
}
