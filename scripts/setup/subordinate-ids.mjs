import { existsSync, readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { run } from "../terminal/programs.mjs";
import { runAsRoot } from "./as-root.mjs";
import { programOf } from "./host.mjs";

const FIRST = 100_000; // where useradd(8) of Debian starts
const COUNT = 65_536; // enough for every id of a container
const FILES = /** @type {const} */ (["/etc/subuid", "/etc/subgid"]);

/** Ids that an ordinary user's containers may use, see subuid(5). root needs none. @type {import("./steps.mjs").Step} */
export const subordinateIds = {
  title: "subordinate ids",
  missing() {
    const { uid, username } = userInfo();
    if (uid === 0 || FILES.every((file) => hasRange(read(file), username, uid))) return undefined;
    return [`${COUNT} user and group ids for the containers of ${username} (usermod --add-subuids)`];
  },
  asRoot: () => usermod().join(" "),
  async install(host, note) {
    await runAsRoot(host, usermod(), note);
    // A podman that ran before holds a user namespace without these ids, until it is told.
    if (programOf(host, "podman") !== undefined) await run("podman", ["system", "migrate"], { env: host.env, note });
  },
};

/** The command that gives us what we lack. */
function usermod() {
  const { uid, username } = userInfo();
  return ["usermod", ...rangeArguments(username, uid, read), username];
}

/**
 * Arguments of usermod(8) that give a user the ranges that it lacks.
 *
 * @param {string} user The user's name.
 * @param {number} uid The user's id.
 * @param {(file: string) => string} content Reads a file.
 */
export function rangeArguments(user, uid, content) {
  return FILES.flatMap((file) => {
    const text = content(file);
    if (hasRange(text, user, uid)) return [];
    const start = firstFree(text);
    return [`--add-${file.slice("/etc/".length)}s`, `${start}-${start + COUNT - 1}`];
  });
}

/**
 * Whether a user has a range that will do.
 *
 * @param {string} text The content of `/etc/subuid` or `/etc/subgid`.
 * @param {string} user The user's name.
 * @param {number} uid The user's id.
 */
export function hasRange(text, user, uid) {
  return readRanges(text).some(({ owner, count }) => (owner === user || owner === String(uid)) && count >= COUNT);
}

/**
 * The first id after all that are given away: ranges of two users must not meet.
 *
 * @param {string} text The content of `/etc/subuid` or `/etc/subgid`.
 */
export function firstFree(text) {
  return Math.max(FIRST, ...readRanges(text).map(({ start, count }) => start + count));
}

/** @param {string} text Lines `owner:start:count`. */
function readRanges(text) {
  const lines = [...text.matchAll(/^([^:\n]+):(\d+):(\d+)$/gm)];
  return lines.map(([, owner = "", start, count]) => ({ owner, start: Number(start), count: Number(count) }));
}

/** @param {string} file One of {@link FILES}; absent where no user has a range. */
export function read(file) {
  return existsSync(file) ? readFileSync(file, "utf8") : "";
}
