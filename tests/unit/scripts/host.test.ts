import { expect, test } from "@jest/globals";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openPaths } from "../../../provider/host/paths";

const host = import("../../../scripts/setup/host.mjs");

test.each([
  [{ HOME: "/home/ada" }, 1000, "/home/ada/.local/share/mayfly"],
  [{ HOME: "/home/ada", XDG_DATA_HOME: "/data" }, 1000, "/data/mayfly"],
  [{ HOME: "/home/ada", XDG_DATA_HOME: "" }, 1000, "/home/ada/.local/share/mayfly"],
  [{ HOME: "/home/ada", XDG_DATA_HOME: "/data", MAYFLY_HOME: "/my flies" }, 1000, "/my flies"],
  [{ HOME: "/home/ada", XDG_DATA_HOME: "data" }, 1000, "/home/ada/.local/share/mayfly"],
  [{ HOME: "/home/ada", MAYFLY_HOME: "flies" }, 1000, join(process.cwd(), "flies")],
  [{ HOME: "/root", XDG_DATA_HOME: "/data" }, 0, "/var/lib/mayfly"],
  [{ HOME: "/root", MAYFLY_HOME: "/my flies" }, 0, "/my flies"],
])("with %j, user %d's data is in %s", async (environment, uid, folder) => {
  expect((await host).dataFolder(environment, uid)).toBe(folder);
});

test("the provider means the same folder", async () => {
  const folder = mkdtempSync(join(tmpdir(), "mayfly-unit-"));
  try {
    // openPaths makes what it names; as root it must not be asked for the system's own folder here.
    const home = process.getuid?.() === 0 ? { MAYFLY_HOME: join(folder, "mayfly") } : { XDG_DATA_HOME: folder };
    expect((await host).dataFolder(home)).toBe(openPaths(home).home);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.each([
  ["/proc/none/mayfly", /^Error: There can be no folder \/proc\/none\/mayfly that we may write to\.\n {2}\| ENOENT/],
  ["/dev/null/mayfly", /^Error: There can be no folder \/dev\/null\/mayfly that we may write to\.\n {2}\| EEXIST/],
  ["/tmp/a:b", /^Error: The data folder can't have a colon in its path\.\n {2}\| \/tmp\/a:b\n/],
])("with MAYFLY_HOME=%s nothing begins", async (folder, report) => {
  const { openHost } = await host;
  const before = process.env["MAYFLY_HOME"];
  process.env["MAYFLY_HOME"] = folder;
  try {
    const said = reportOf(() => openHost());
    expect(said).toMatch(report);
    expect(said).toMatch(/\nTo do: choose another: MAYFLY_HOME=\/another\/folder$/);
  } finally {
    if (before === undefined) delete process.env["MAYFLY_HOME"];
    else process.env["MAYFLY_HOME"] = before;
  }
});

function reportOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return (error as { report: () => string }).report();
  }
  return "";
}
