import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, watch } from "node:fs";
import { join } from "node:path";
import { processesById, processesOf, self } from "../support/callers";
import { CommandHome } from "../support/command";
import { eventually } from "../support/eventually";
import { childrenOf } from "../support/proc";

// The command dies at any moment, by SIGKILL: alone, or with all that it has started and that has not left it. A moment is
// told by what has happened in the data folder until then: the n-th change of a file, n drawn anew in each run. What is left
// must be known: to `ls`, so that `rm` removes it, or to `prune`.

/** How many moments are tried of each kind; some more by hand: `MAYFLY_CHAOS_MOMENTS=50 npm test -- e2e --testPathPatterns chaos`. */
const MOMENTS = Number(process.env["MAYFLY_CHAOS_MOMENTS"] ?? 1);

let command: CommandHome;

beforeAll(async () => {
  command = await CommandHome.open();
  mkdirSync(join(command.home, "shared"));
});
afterAll(async () => {
  await command[Symbol.asyncDispose]();
});

/**
 * A VM of all that has a life of its own: a disk, a mount, a port, a private network, a process for its end. No other test
 * has a network of that name: tests share their locks, and one that somebody is about to join would not go.
 */
const RUN = [
  ...["run", "-d", "--cpus", "1", "--disk", "1GiB", "--bind", "shared:/srv", "--port", "80"],
  ...["--network", "user", "--network", "wires", "--expires", "1h", "--name"],
];

/** Runs the command, and kills it after so many changes in the data folder; how many there were. */
async function killedAfter(most: number, how: How, args: readonly string[]): Promise<number> {
  let changes = 0;
  const killed = new AbortController();
  const running = command.start(args);
  const watcher = watch(join(command.home, "data"), { recursive: true }, () => {
    changes++;
    if (changes < most || killed.signal.aborted || running.process.exitCode !== null) return;
    killed.abort();
    kill(running.process.pid ?? 0, how);
  });
  try {
    const { code, err } = await running.ended;
    if (!killed.signal.aborted && code !== 0) throw new Error(`mayfly ${args.join(" ")}: ${err}`);
    return changes;
  } finally {
    watcher.close();
  }
}

type How = "alone" | "with its children";

function kill(pid: number, how: How): void {
  const all = how === "alone" ? [pid] : [pid, ...descendantsOf(pid)];
  for (const one of all) {
    try {
      process.kill(one, "SIGKILL");
    } catch {
      // it has ended
    }
  }
}

const descendantsOf = (pid: number): number[] => childrenOf(pid).flatMap((child) => [child, ...descendantsOf(child)]);

/** What there is of VMs and networks: on disk, of podman's, and processes. */
function left(name: string): string[] {
  const folders = ["machines", "records/machines", "networks", "records/networks", "scratch"].flatMap((folder) => {
    const path = join(command.home, "data", folder);
    return existsSync(path) ? readdirSync(path).map((entry) => `${folder}/${entry}`) : [];
  });
  const containers = execFileSync("podman", [
    "ps",
    "--all",
    "--filter",
    `label=mayfly.resource=${name}`,
    "--format",
    "{{.Names}}",
  ]);
  const things = folders.filter((entry) => !entry.endsWith(".tmp")); // half-written records go later: Records.list
  return [...things, ...containers.toString().split("\n").filter(Boolean), ...processesOf(self, command.home)];
}

/** Processes of VMs and networks, as they were started; podman's helpers as well. */
function processes(): [pid: number, line: string][] {
  return [...processesById(self, command.home)].sort(([a], [b]) => a - b);
}

/** What a user does then: removes what is listed, and has removed what nobody knows of. Nothing is left after that. */
async function clear(name: string): Promise<void> {
  const listed = await command.run("ls", "--quiet");
  for (const one of listed.out.split("\n").filter(Boolean))
    expect(await command.run("rm", one)).toMatchObject({ code: 0 });
  expect(await command.run("prune")).toMatchObject({ code: 0 });
  await eventually(
    "nothing is left",
    60,
    () => left(name).length === 0,
    () => left(name).join("\n"),
  );
}

const HOW: readonly How[] = ["alone", "with its children"];

/** Some numbers from 1 to the most, each as likely as any other. */
const drawn = (most: number) => Array.from({ length: MOMENTS }, () => 1 + Math.floor(Math.random() * most));

/** What has to hold for one moment or process; says of which where it does not. */
async function trial(what: string, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    throw new Error(`${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

test("run and rm, killed at any moment: what is left is known, and goes", async () => {
  await command.run("run", "-d", "--name", "first"); // makes a template, if nobody has before
  await command.run("rm", "first");
  const usual = {
    run: await killedAfter(Infinity, "alone", [...RUN, "usual"]),
    rm: await killedAfter(Infinity, "alone", ["rm", "usual"]),
  };
  expect(left("usual")).toEqual([]);
  expect(usual.run).toBeGreaterThan(20); // else no moment of it would be tried
  expect(usual.rm).toBeGreaterThan(5);
  let number = 0;
  for (const [verb, changes] of Object.entries(usual))
    for (const how of HOW)
      for (const moment of drawn(changes)) {
        const name = `vm${String(number++)}`;
        await trial(`${verb}, killed ${how} at change ${String(moment)} of ${String(changes)}`, async () => {
          if (verb === "rm") expect(await command.run(...RUN, name)).toMatchObject({ code: 0 });
          await killedAfter(moment, how, verb === "rm" ? ["rm", name] : [...RUN, name]);
          await clear(name);
        });
      }
}, 1_800_000);

test("each process of a VM that runs, killed: rm works as ever", async () => {
  expect(await command.run(...RUN, "whole")).toMatchObject({ code: 0 });
  const count = processes().length;
  await clear("whole");
  expect(count).toBeGreaterThan(5);
  for (const index of drawn(count)) {
    const name = `of${String(index)}`;
    expect(await command.run(...RUN, name)).toMatchObject({ code: 0 });
    const [pid = 0, line = ""] = processes()[index - 1] ?? [];
    process.kill(pid, "SIGKILL");
    await trial(`killed: ${line}`, async () => clear(name));
  }
}, 1_800_000);
