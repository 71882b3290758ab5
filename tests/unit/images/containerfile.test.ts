import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, test } from "@jest/globals";
import { MayflyError } from "../../../provider/errors";
import { openPaths } from "../../../provider/host/paths";
import type { Podman } from "../../../provider/host/podman";
import type { RunOptions } from "../../../provider/host/run";
import { buildContainerfile } from "../../../provider/images/containerfile";
import { killedBuilds } from "../../../provider/images/build-folder";
import { failureOf } from "../../support/context";

test("what a build's programs put down is removed by who may: in podman's namespace, by one that follows a kill as well", async () => {
  const folder = mkdtempSync(join(tmpdir(), "mayfly build "));
  try {
    const paths = openPaths({ MAYFLY_HOME: folder });
    const temporary: string[] = [];
    const removed: string[] = [];
    const run = ([verb = ""]: readonly string[]) =>
      verb === "image"
        ? Promise.reject(new MayflyError("TOOL_FAILED", "", { evidence: "no such image", remedy: "" }))
        : Promise.resolve("");
    const script = async (text: string, [first = "", second]: readonly string[], { environment }: RunOptions) => {
      if (text.includes("rm -rf")) removed.push(first);
      if (second !== "build") return "";
      const { TMPDIR = "" } = environment ?? {};
      expect(statSync(TMPDIR).mode & 0o777).toBe(0o700);
      expect(await killedBuilds(paths)).toEqual([]);
      temporary.push(TMPDIR);
      return "id";
    };
    const podman = { run, script, imagesStamp: () => Promise.resolve(undefined) } as unknown as Podman;
    const spec = { text: "FROM scratch\n", buildArgs: {}, architecture: undefined };
    await buildContainerfile(paths, podman, spec, AbortSignal.timeout(60_000), () => undefined);
    expect(temporary).toHaveLength(1);
    const own = dirname(temporary[0] ?? "");
    expect(own).not.toMatch(/scratch/);
    expect(removed).toEqual([own, own]); // of one that was killed, and its own
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a build that has lost something of podman's to one beside it is made once more; any other failure stays", async () => {
  const folder = mkdtempSync(join(tmpdir(), "mayfly build "));
  try {
    const paths = openPaths({ MAYFLY_HOME: folder });
    const says: string[] = []; // in the order of the builds
    let builds = 0;
    const failure = (evidence: string) => new MayflyError("TOOL_FAILED", "it failed", { evidence, remedy: "" });
    const run = ([verb = ""]: readonly string[]) =>
      verb === "image" ? Promise.reject(failure("no such image")) : Promise.resolve("");
    const script = async (_: string, [, second]: readonly string[], { onLine }: RunOptions) => {
      if (second !== "build") return "";
      const said = says[builds++];
      if (said === undefined) return "id";
      onLine?.(said);
      throw failure("");
    };
    const podman = { run, script, imagesStamp: () => Promise.resolve(undefined) } as unknown as Podman;
    const build = (text: string) => {
      const spec = { text, buildArgs: {}, architecture: undefined };
      return buildContainerfile(paths, podman, spec, AbortSignal.timeout(60_000), () => undefined);
    };
    const lost = 'Error: committing container for step {Command:run}: layer "12ab": container not known';
    says.push(lost);
    await build("FROM one\n");
    expect(builds).toBe(2);
    [builds, says.length] = [0, 0];
    says.push(lost, lost);
    expect(await failureOf(build("FROM two\n"))).toMatchObject({ code: "BUILD_FAILED", evidence: lost });
    expect(builds).toBe(2);
    [builds, says.length] = [0, 0];
    says.push('Error: building at STEP "RUN false": exit status 1');
    expect(await failureOf(build("FROM three\n"))).toMatchObject({ code: "BUILD_FAILED" });
    expect(builds).toBe(1);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
