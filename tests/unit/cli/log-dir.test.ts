import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
import type { Session } from "../../../cli/rooms";
import { printJournal } from "../../../cli/vms/journal";
import { followKept, makeLogFiles } from "../../../cli/vms/log-dir";
import * as attached from "../../../provider/host/attached";
import * as detached from "../../../provider/host/detached";
import { hostBootId } from "../../../provider/host/process-identity";

let folder: string;
let alive: Set<string>;
let stopped: Set<string>;

/** What each connection to a guest tells, before it ends with 255. */
let told: string[][];
let commands: string[];
let pids: number[];
let started: Parameters<typeof detached.startDetached>[];

jest.spyOn(attached, "runAttached").mockImplementation((_, args, __, hear) => {
  commands.push(args.at(-1) ?? "");
  for (const line of told.shift() ?? []) hear?.onLine?.(line);
  if (told.length === 0) alive.clear();
  return Promise.resolve(255);
});
jest.spyOn(detached, "startDetached").mockImplementation((...args) => {
  started.push(args);
  return Promise.resolve({} as Awaited<ReturnType<typeof detached.startDetached>>);
});

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mayfly-log-dir-"));
  [alive, stopped] = [new Set(["dev-1"]), new Set()];
  [told, commands, started, pids] = [[], [], [], [1]];
  mkdirSync(join(folder, "dev-1"));
  writeFileSync(join(folder, "dev-1", "ssh_config"), "Host dev\n");
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const session = {
  machines: {
    file: (id: string, name: string) => join(folder, id, name),
    isAlive: (id: string) => Promise.resolve(alive.has(id)),
    record: () => Promise.resolve({ qemu: { pid: pids.length > 1 ? pids.shift() : pids[0] } }),
    list: () => {
      const owner = { project: "", stack: "", resource: "dev" };
      return Promise.resolve(
        new Map([["dev-1", { owner, image: "i", ...(stopped.has("dev-1") && { stoppedAt: 1 }) }]]),
      );
    },
  },
  signal: new AbortController().signal,
} as unknown as Session;

const BOOT = hostBootId().replaceAll("-", "");
const cursor = (index: number) => `s=739ad463;i=${String(index)};b=${BOOT};m=4f;t=138811f0ffb;x=d3e`;
const entry = (index: number) =>
  JSON.stringify({ __CURSOR: cursor(index), MESSAGE: `"__CURSOR":"x" ${String(index)}` });

test("a journal that is followed goes on where the connection broke, each entry a whole line", async () => {
  told = [[entry(1), entry(2), entry(3).slice(0, -4)], [entry(3)]];
  const written: string[] = [];
  const spy = jest.spyOn(process.stdout, "write").mockImplementation((text) => written.push(String(text)) > 0);
  try {
    expect(await printJournal("dev-1", { follow: true, json: true }, session)).toBe(0);
  } finally {
    spy.mockRestore();
  }
  expect(written.join("")).toBe(`${[1, 2, 3].map(entry).join("\n")}\n`);
  expect(commands[0]).toBe("journalctl --no-pager --quiet --output=json --follow --lines=all");
  const bin = join(folder, "bin");
  mkdirSync(bin);
  writeFileSync(join(bin, "journalctl"), '#!/bin/sh\necho "$@"\n', { mode: 0o755 });
  const env = { ...process.env, PATH: `${bin}:${process.env["PATH"] ?? ""}` };
  const asked = (command = "") => execFileSync("sh", ["-c", command], { env }).toString();
  const all = "--no-pager --quiet --output=json --follow --lines=all --boot";
  expect(asked(commands[1])).toBe(`${all} --after-cursor=${cursor(2)}\n`);
  expect(asked(commands[1]?.replaceAll(BOOT, "0".repeat(32)))).toBe(`${all}\n`); // the guest has booted anew
});

test("who follows a journal does so until the VM is stopped, also where it runs again before that was seen", async () => {
  told = [[], [], []];
  pids = [1, 1, 2];
  expect(await printJournal("dev-1", { follow: true, json: false }, session)).toBe(0);
  expect(commands).toHaveLength(2);
});

const logs = () => join(folder, "logs");
const journal = () => join(logs(), "journal.json");
const keep = () => {
  mkdirSync(logs());
  writeFileSync(join(folder, "dev-1", "log-dir.json"), JSON.stringify({ streams: ["journal"], folder: logs() }));
};

test.each([
  [
    "goes on after its last whole entry",
    `${entry(1)}\n${entry(2)}\n{"__CURSOR":"s=1;`,
    [`--after-cursor=${cursor(2)}`],
  ],
  ["begins anew where there is none", "", []],
])("the journal of a VM that starts again %s; what goes wrong is not written to it", async (_, text, after) => {
  keep();
  writeFileSync(journal(), text);
  await followKept("dev-1", session);
  const following = [expect.stringMatching(/main\.js$/), "logs", "--follow", "--journal", "--json", ...after, "dev-1"];
  expect(started).toEqual([[process.execPath, following, journal(), join(folder, "dev-1", "log-dir.log")]]);
  expect(readFileSync(journal(), "utf8")).toBe(text.replace(/[^\n]*$/, ""));
});

test("logs of a VM that runs, or was stopped, are not written over by another's", async () => {
  keep();
  writeFileSync(journal(), entry(1));
  const make = async (streams: "console" | "journal") => makeLogFiles({ streams: [streams], folder: logs() }, session);
  await expect(make("journal")).rejects.toThrow("journal.json is where the journal of dev is written to");
  alive.clear();
  stopped.add("dev-1");
  await expect(make("journal")).rejects.toThrow("journal.json is where the journal of dev is written to");
  expect(readFileSync(journal(), "utf8")).toBe(entry(1));
  await make("console");
  stopped.clear(); // it has ended
  await make("journal");
  expect(readFileSync(journal(), "utf8")).toBe("");
});
