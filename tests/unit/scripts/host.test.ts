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
