import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
import type * as Files from "node:fs";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { namesChannel, openPaths, pipesOf, segmentSocket, sharedFolder } from "../../../provider/host/paths";
import { identifySelf, isAlive } from "../../../provider/host/process-identity";
import { Records } from "../../../provider/host/records";
import { Keeper } from "../../../provider/networks/keeper";
import { Networks } from "../../../provider/networks/networks";
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

test("a full disk costs a switch lines of its log, and not its life", async () => {
  const { MAYFLY_HOME: before } = process.env;
  process.env["MAYFLY_HOME"] = home;
  const paths = openPaths();
  const networks = new Networks(paths, join(__dirname, "..", "..", "..", "sdk", "dist", "provider", "switch.js"));
  const owner = { project: "p", stack: "s", resource: "net" };
  const folder = sharedFolder(paths, "web-1");
  mkdirSync(folder, { recursive: true });
  execFileSync("mkfifo", pipesOf(namesChannel(0)), { cwd: folder });
  let cables = 0;
  const qemu = createServer((socket) => {
    cables += 1;
    socket.on("error", () => undefined).destroy(); // each one that comes and goes is two lines
  });
  qemu.listen(join(folder, segmentSocket(0)));
  try {
    await networks.create("net-2", owner, "10.80.0.0/24", AbortSignal.timeout(30_000));
    const { pid = 0 } = (await records.read("net-2"))?.switch ?? {};
    execFileSync("prlimit", ["--pid", String(pid), "--fsize=0"]); // no file can grow
    const seats = [{ network: "net-2", address: "10.80.0.2", prefix: 24, mac: "02:4d:0a:50:00:02", names: ["web"] }];
    const machine = { owner, phase: "ready", madeBy: identifySelf(), createdAt: 1, seats } as const;
    await new Records(join(paths.records, "machines")).write("web-1", machine);
    await eventually("it goes on", 30, () => cables > 2);
  } finally {
    qemu.close();
    await networks.remove("net-2", AbortSignal.timeout(30_000));
    if (before === undefined) delete process.env["MAYFLY_HOME"];
    else process.env["MAYFLY_HOME"] = before;
  }
});
