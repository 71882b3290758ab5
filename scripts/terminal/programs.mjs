import { spawn } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { Failure } from "./failure.mjs";
import { askedToEnd, holdSignals, Interrupted } from "./signals.mjs";

/** @typedef {Record<string, string | undefined>} Environment */

const FIRST_LINES = 10; // where most programs name the cause
const LAST_LINES = 20;

/**
 * Where a program is, or `undefined`. Only looks; starts nothing.
 *
 * @param {string} name The program's name.
 * @param {string} path Folders, as in the variable `PATH`.
 */
export function findProgram(name, path) {
  return path
    .split(delimiter)
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, name))
    .find(isExecutable);
}

/**
 * Whether a file is there, has content and may be run by us.
 *
 * @param {string} file The file's path.
 */
export function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    const { size } = statSync(file);
    return size > 0 && statSync(file).isFile();
  } catch {
    return false;
  }
}

/**
 * Runs a program to its end without a terminal and returns its standard output. Its first and last lines become
 * the evidence when it fails. A signal waits for its end, too: apt would leave packages half configured without us.
 *
 * @param {string} file The program.
 * @param {readonly string[]} args Its arguments.
 * @param {{ env: Environment, cwd?: string, note?: (line: string) => void, signal?: AbortSignal }} options Where it
 *   runs; `note` gets each line as it comes; `signal` ends it.
 * @returns {Promise<string>} Standard output, without the last newline.
 * @throws {Failure} When it cannot be started or ends with another exit code than 0.
 * @throws {Interrupted} When a signal has asked us to end.
 */
export async function run(file, args, { env, cwd, note, signal }) {
  const child = spawn(file, args, { env, cwd, signal, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  /** @type {string[]} */
  const first = [];
  /** @type {string[]} */
  let last = [];
  /** @param {string} line A whole line of output. */
  const keep = (line) => {
    if (line.trim() === "") return;
    if (first.length < FIRST_LINES) first.push(line);
    else last = [...last, line].slice(-LAST_LINES);
    note?.(line);
  };
  child.stdout.setEncoding("utf8").on("data", (/** @type {string} */ text) => {
    output += text;
  });
  eachLine(child.stdout, keep);
  eachLine(child.stderr.setEncoding("utf8"), keep);
  const ended = await holdSignals(end(child));
  if (askedToEnd() !== undefined) throw new Interrupted(`\`${commandLine(file, args)}\` was the last`);
  if (ended === 0) return output.replace(/\n$/, "");
  throw new Failure(`\`${commandLine(file, args)}\` ${ended}.`, { evidence: [...first, ...last].join("\n") });
}

/**
 * Cuts a stream into lines; a program may write one in pieces. A carriage return ends one too: so does progress.
 *
 * @param {import("node:stream").Readable} stream Text.
 * @param {(line: string) => void} onLine Gets each line.
 */
function eachLine(stream, onLine) {
  let rest = "";
  stream.on("data", (/** @type {string} */ text) => {
    const lines = (rest + text).split(/[\r\n]/);
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line);
  });
  stream.on("end", () => {
    onLine(rest);
  });
}

/**
 * Runs a program that has our terminal for itself, and returns its exit code. A Ctrl-C reaches it directly; we wait for
 * what it does about that.
 *
 * @param {string} file The program.
 * @param {readonly string[]} args Its arguments.
 * @param {{ env: Environment, cwd?: string }} options Where it runs.
 * @returns {Promise<number>} Its exit code; 1 when a signal ended it.
 */
export async function attach(file, args, { env, cwd }) {
  const child = spawn(file, args, { env, cwd, stdio: "inherit" });
  const ignore = () => undefined;
  const forward = () => child.kill("SIGTERM");
  process.on("SIGINT", ignore).on("SIGTERM", forward);
  try {
    const ended = await end(child);
    return typeof ended === "number" ? ended : (child.exitCode ?? 1);
  } finally {
    process.off("SIGINT", ignore).off("SIGTERM", forward);
  }
}

/**
 * A command line that can be pasted into a shell.
 *
 * @param {string} file The program.
 * @param {readonly string[]} args Its arguments.
 */
function commandLine(file, args) {
  const quoted = [file, ...args].map((word) =>
    /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`,
  );
  return quoted.join(" ");
}

/**
 * Waits until a program and its output have ended.
 *
 * @param {import("node:child_process").ChildProcess} child The program.
 * @returns {Promise<0 | string>} 0, or how it failed.
 */
function end(child) {
  return new Promise((resolve) => {
    child.once("error", (error) => {
      resolve(`could not run: ${error.message}`);
    });
    child.once("close", (code, signal) => {
      if (code === 0) resolve(0);
      else resolve(code === null ? `was ended by ${String(signal)}` : `failed with exit code ${code}`);
    });
  });
}
