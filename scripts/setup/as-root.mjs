import { Failure } from "../terminal/failure.mjs";
import { attach, commandLine, run } from "../terminal/programs.mjs";
import { programOf } from "./host.mjs";

/**
 * Runs a program with root's rights, through sudo where we are not root.
 *
 * @param {import("./host.mjs").Host} host Where it runs.
 * @param {readonly string[]} command The program and its arguments.
 * @param {(line: string) => void} note Gets each line of its output.
 * @throws {Failure} With the command for an administrator, when there is neither root nor sudo.
 */
export async function runAsRoot(host, command, note) {
  const prefix = process.getuid?.() === 0 ? [] : await sudo(host, command);
  const [file = "", ...args] = [...prefix, ...command];
  await run(file, args, { env: host.env, note });
}

/**
 * What to put before a command. Asks for the password now, while nothing else is on the terminal.
 *
 * @param {import("./host.mjs").Host} host Where it runs.
 * @param {readonly string[]} command What will be run.
 */
async function sudo(host, command) {
  const file = programOf(host, "sudo");
  const asks = process.stdin.isTTY && process.stdout.isTTY;
  if (file !== undefined && (await attach(file, asks ? ["-v"] : ["-n", "true"], { env: host.env })) === 0)
    return [file];
  const [program = "", ...args] = command;
  throw new Failure("This needs root's rights, and there is no sudo that gives them to this user here.", {
    remedy: `have an administrator run: ${commandLine(program, args)}`,
  });
}
