import { expect, test } from "@jest/globals";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Sshd } from "../support/sshd";
import { Plugin } from "./support/plugin";
import { sentBy } from "./support/provider-text";

test("a copied file lives: made, looked at, its source changed, deleted", async () => {
  await using server = await Sshd.start({ sftp: "internal-sftp" });
  await using plugin = await Plugin.start();
  const folder = mkdtempSync(join(tmpdir(), "mayfly copy "));
  try {
    const source = join(folder, "here");
    const fields = { ...sentBy("CopyFile"), connection: server.endpoint, source, remotePath: join(folder, "there") };
    writeFileSync(source, "one");
    const { inputs } = await plugin.check(fields);
    const { id, outs } = await plugin.create(inputs);
    expect(outs).toMatchObject({ size: 3, sourceHash: inputs["sourceHash"], sha256: inputs["sourceHash"] });
    expect((await plugin.read(id, outs)).id).toBe(id);
    expect(await plugin.diff(id, outs, inputs)).toEqual({ changes: false, replaces: [] });

    writeFileSync(source, "three");
    const next = (await plugin.check(fields)).inputs;
    expect(next["sourceHash"]).not.toBe(inputs["sourceHash"]);
    expect(await plugin.diff(id, outs, next)).toEqual({ changes: true, replaces: [] });
    expect(await plugin.update(id, outs, next)).toMatchObject({ size: 5, sha256: next["sourceHash"] });

    rmSync(join(folder, "there"));
    expect((await plugin.read(id, outs)).id).toBe("");
    await plugin.delete(id, outs);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
