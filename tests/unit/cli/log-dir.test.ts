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

let folder: string;
let alive: Set<string>;
let stopped: Set<string>;

/** What each connection to a guest tells, before it ends with 255. */
let told: string[][];
let commands: string[];
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
  [told, commands, started] = [[], [], []];
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
    list: () => {
      const owner = { project: "", stack: "", resource: "dev" };
      return Promise.resolve(
        new Map([["dev-1", { owner, image: "i", ...(stopped.has("dev-1") && { stoppedAt: 1 }) }]]),
      );
    },
  },
  signal: new AbortController().signal,
} as unknown as Session;

const BOOT = "6c7c6013a26343b29e964691ff25d04c";
const cursor = (index: number) => `s=739ad463;i=${String(index)};b=${BOOT};m=4f;t=4c5;x=d3e`;
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
  const has = (boot: string) => {
    const script = `#!/bin/sh\ncase "$*" in *_BOOT_ID=${boot}) echo one;; *_BOOT_ID*) ;; *) echo "$@";; esac\n`;
    writeFileSync(join(bin, "journalctl"), script, { mode: 0o755 });
    const env = { ...process.env, PATH: `${bin}:${process.env["PATH"] ?? ""}` };
    return execFileSync("sh", ["-c", commands[1] ?? ""], { env }).toString();
  };
  const all = "--no-pager --quiet --output=json --follow --lines=all";
  expect(has(BOOT)).toBe(`${all} --after-cursor=${cursor(2)}\n`);
  expect(has("another")).toBe(`${all}\n`);
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
