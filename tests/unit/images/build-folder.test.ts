import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openPaths, type Paths } from "../../../provider/host/paths";
import type { Podman } from "../../../provider/host/podman";
import { identifySelf } from "../../../provider/host/process-identity";
import { inBuildFolder, killedBuilds, removeKilledBuild } from "../../../provider/images/build-folder";

let home: string;
let paths: Paths;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "mayfly build "));
  paths = openPaths({ MAYFLY_HOME: home });
});
afterEach(() => {
  rmSync(home, { recursive: true });
});

/** The part of podman that is asked for: the rights to remove a folder, which these tests have themselves. */
const podman = {
  script: (_: string, [folder = ""]: readonly string[]) => {
    rmSync(folder, { recursive: true, force: true });
    return Promise.resolve("");
  },
} as unknown as Podman;

/** A build whose process is gone. */
function killed(name: string): string {
  const folder = join(home, "emulated", name);
  mkdirSync(folder, { recursive: true });
  mkdirSync(join(paths.records, "builds"), { recursive: true });
  const madeBy = { ...identifySelf(), startTime: "1" };
  writeFileSync(join(paths.records, "builds", `${name}.json`), JSON.stringify({ madeBy }));
  return folder;
}

test("a build's folder is on record as long as there is one, and gone after a failure too", async () => {
  let folder = "";
  const build = inBuildFolder(paths, podman, "debian", async (given) => {
    folder = given;
    expect(existsSync(join(paths.records, "builds", "debian.json"))).toBe(true);
    writeFileSync(join(folder, "half"), "");
    expect(await killedBuilds(paths)).toEqual([]); // it is under way
    throw new Error("apt said no");
  });
  await expect(build).rejects.toThrow("apt said no");
  expect(existsSync(folder)).toBe(false);
  expect(existsSync(join(paths.records, "builds", "debian.json"))).toBe(false);
});

test("what a killed one has left is found, and goes when it is asked to, or with the next build of it", async () => {
  const [one, other] = [killed("one"), killed("other")];
  expect((await killedBuilds(paths)).sort()).toEqual(["one", "other"]);
  await removeKilledBuild(paths, podman, "one");
  expect([existsSync(one), existsSync(other)]).toEqual([false, true]);
  writeFileSync(join(other, "half"), "");
  await inBuildFolder(paths, podman, "other", (folder) => {
    expect(existsSync(join(folder, "half"))).toBe(false);
    return Promise.resolve();
  });
  expect(await killedBuilds(paths)).toEqual([]);
});

test("one that has been begun again meanwhile stays", async () => {
  killed("debian");
  await inBuildFolder(paths, podman, "debian", async (folder) => {
    await removeKilledBuild(paths, podman, "debian");
    expect(existsSync(folder)).toBe(true);
  });
});
