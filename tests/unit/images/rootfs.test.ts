import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { MayflyError } from "../../../provider/errors";
import { openPaths } from "../../../provider/host/paths";
import type { Podman } from "../../../provider/host/podman";
import { importRootfs } from "../../../provider/images/rootfs";
import { failureOf } from "../../support/context";

test("a tar that is written to while it is imported gives its digest's name to no image", async () => {
  const folder = mkdtempSync(join(tmpdir(), "mayfly rootfs "));
  try {
    const paths = openPaths({ MAYFLY_HOME: folder });
    const file = join(folder, "root.tar");
    writeFileSync(file, "as it was");
    const told: string[] = [];
    const run = ([verb = ""]: readonly string[]) => {
      told.push(verb);
      if (verb === "image")
        return Promise.reject(new MayflyError("TOOL_FAILED", "", { evidence: "no such image", remedy: "" }));
      if (verb === "import") writeFileSync(file, "as it is now");
      return Promise.resolve("id");
    };
    const podman = {
      run,
      script: () => Promise.resolve("file bin"),
      imagesStamp: () => Promise.resolve(undefined),
    } as unknown as Podman;
    const error = await failureOf(importRootfs(paths, podman, file, AbortSignal.timeout(60_000)));
    expect(error).toMatchObject({ code: "BAD_INPUT", message: expect.stringContaining("was written to") });
    expect(told).toEqual(["image", "import", "rmi"]);
    expect(readdirSync(paths.scratch)).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
