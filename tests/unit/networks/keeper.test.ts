import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
import type * as Files from "node:fs";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openPaths } from "../../../provider/host/paths";
import { identifySelf, isAlive } from "../../../provider/host/process-identity";
import { Records } from "../../../provider/host/records";
import { Keeper } from "../../../provider/networks/keeper";
import type { NetworkRecord } from "../../../provider/networks/record";
import { eventually } from "../../support/eventually";

let home: string;
let records: Records<NetworkRecord>;
let said: string[];

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), "mayfly-keeper-"));
  records = new Records(join(openPaths({ MAYFLY_HOME: home }).records, "networks"));
  const owner = { project: "p", stack: "s", resource: "net" };
  const made = { phase: "starting", madeBy: identifySelf(), createdAt: 1, subnet: "10.80.0.0/24" } as const;
  await records.write("net-1", { owner, ...made });
  said = [];
  jest.spyOn(process.stdout, "write").mockImplementation((text) => said.push(String(text)) > 0);
});

afterEach(() => {
  jest.restoreAllMocks();
  rmSync(home, { recursive: true });
});

function failWatching(code: string): void {
  jest.spyOn(jest.requireActual<typeof Files>("node:fs"), "watch").mockImplementation(() => {
    throw Object.assign(new Error(`${code}: no more`), { code, syscall: "watch" });
  });
}

test.each(["ENOSPC", "EMFILE"])("a network works, too, where watching fails with %s", async (code) => {
  failWatching(code);
  await Keeper.run(openPaths({ MAYFLY_HOME: home }), "net-1");
  const keeper = (await records.read("net-1"))?.switch;
  expect(keeper !== undefined && isAlive(keeper)).toBe(true);
  expect(said.filter((line) => line.includes("inotify watches are used up"))).toHaveLength(1);
  await records.remove("net-1");
  await eventually("it sees by itself that the network is gone", 30, () => said.join("").includes("ends, as it"));
});

test("a switch that cannot do its work is never on record as one that runs", async () => {
  failWatching("EACCES");
  await expect(Keeper.run(openPaths({ MAYFLY_HOME: home }), "net-1")).rejects.toThrow("EACCES");
  expect((await records.read("net-1"))?.switch).toBeUndefined();
});
