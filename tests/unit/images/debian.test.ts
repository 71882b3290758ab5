import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { MayflyError } from "../../../provider/errors";
import { openPaths } from "../../../provider/host/paths";
import type { Podman } from "../../../provider/host/podman";
import { run as runProgram } from "../../../provider/host/run";
import { debianSpec, makeDebianImage, noSuchSuite } from "../../../provider/images/debian";

const failed = (evidence: string) => new MayflyError("TOOL_FAILED", "mmdebstrap failed", { evidence, remedy: "…" });

test("a suite that the archive does not have is named, by the line that says so", () => {
  const said = `Err:2 http://archive.example/debian lenny Release
  404  Not Found [IP: 192.0.2.1 80]
E: The repository 'http://archive.example/debian lenny Release' does not have a Release file.
E: mmdebstrap failed to run`;
  expect(noSuchSuite(failed(said), "lenny")).toMatchObject({
    code: "IMAGE_NOT_FOUND",
    message: expect.stringMatching(
      /^there is no Debian suite "lenny" in the archive\nThe repository .*lenny/,
    ) as unknown,
  });
});

test("another failure stays what it is", () => {
  expect(noSuchSuite(failed("E: Unable to locate package nosuch"), "bookworm")).toBeUndefined();
  expect(noSuchSuite(new Error("does not have a Release file"), "bookworm")).toBeUndefined();
});

test("who makes one again after a kill writes to no file that the killed one's programs may still write to", async () => {
  const folder = mkdtempSync(join(tmpdir(), "mayfly debian "));
  const path = process.env["PATH"] ?? "";
  process.env["PATH"] = `${folder}:${path}`;
  try {
    const paths = openPaths({ MAYFLY_HOME: join(folder, "data") });
    writeFileSync(
      join(folder, "mmdebstrap"),
      '#!/bin/sh\nfor file in "$@"; do case $file in *.tar) echo "$file" >>"$0.files"; : >"$file" ;; esac; done\n',
    );
    chmodSync(join(folder, "mmdebstrap"), 0o755);
    const run = ([verb = ""]: readonly string[]) =>
      verb === "import"
        ? Promise.resolve("")
        : Promise.reject(new MayflyError("TOOL_FAILED", "", { evidence: "no such image", remedy: "" }));
    // Its rights, without its namespaces, which not every user who runs this test may have.
    const script: Podman["script"] = async (text, args, options) =>
      text.includes("unshare ")
        ? runProgram(args[0] ?? "", args.slice(1), options)
        : runProgram("sh", ["-euc", text, "mayfly", ...args], options);
    const podman = { run, script, imagesStamp: () => Promise.resolve(undefined) } as unknown as Podman;
    const signal = AbortSignal.timeout(60_000);
    for (const _again of [1, 2]) await makeDebianImage(paths, podman, debianSpec({}), signal, () => undefined);
    const files = readFileSync(join(folder, "mmdebstrap.files"), "utf8").trim().split("\n");
    expect(files).toHaveLength(2);
    expect(files[1]).not.toBe(files[0]);
    expect(readdirSync(paths.scratch)).toEqual([]);
  } finally {
    process.env["PATH"] = path;
    rmSync(folder, { recursive: true });
  }
});
