import { expect, test } from "@jest/globals";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openPaths } from "../../../provider/host/paths";

const host = import("../../../scripts/setup/host.mjs");

test("the set-up and the provider mean the same data folder", async () => {
  const folder = mkdtempSync(join(tmpdir(), "mayfly-unit-"));
  try {
    const { dataFolder } = await host;
    for (const environment of [
      { HOME: folder },
      { HOME: "/nowhere", XDG_DATA_HOME: join(folder, "data") },
      { HOME: "/nowhere", XDG_DATA_HOME: "/nowhere", MAYFLY_HOME: join(folder, "mayfly home") },
    ]) {
      expect(dataFolder(environment)).toBe(openPaths(environment).home);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
