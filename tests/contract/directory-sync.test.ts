import { expect, test } from "@jest/globals";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Sshd } from "../support/sshd";
import { Plugin, type Wire } from "./support/plugin";
import { sentBy, UNKNOWN } from "./support/provider-text";

test("a synced folder lives: foreseen, made, its source changed, its target changed, moved, deleted", async () => {
  await using server = await Sshd.start({ sftp: "internal-sftp" });
  await using plugin = await Plugin.start();
  const folder = mkdtempSync(join(tmpdir(), "mayfly sync "));
  const [source, there] = [join(folder, "here"), join(folder, "there")];
  const fields: Wire = { ...sentBy("DirectorySync"), connection: server.endpoint, source, remotePath: there };
  fields["removeOnDelete"] = true;
  try {
    mkdirSync(source);
    writeFileSync(join(source, "a"), "one");
    expect((await plugin.check({ ...fields, connection: UNKNOWN })).failures).toEqual([]);
    expect(plugin.output).toBe(""); // nothing is known of the target
    const { inputs } = await plugin.check(fields);
    await plugin.hasSaid("web: 1 file to copy (3 B)\n");
    expect(existsSync(there)).toBe(false);
    const { id, outs } = await plugin.create(inputs);
    expect(outs).toMatchObject({ status: "in step", files: 1, size: 3, sourceHash: inputs["sourceHash"] });
    expect(await plugin.diff(id, outs, inputs)).toEqual({ changes: false, replaces: [] });
    expect((await plugin.read(id, outs)).outs).toMatchObject({ status: "in step", syncedAt: outs["syncedAt"] });

    writeFileSync(join(source, "b"), "three");
    const next = (await plugin.check(fields, inputs)).inputs;
    expect(await plugin.diff(id, outs, { ...next, triggers: [UNKNOWN] })).toEqual({ changes: true, replaces: [] });
    expect(plugin.output).toBe("web: 1 file to copy (3 B)\n"); // neither for a thing that is there, nor with unknowns
    expect(await plugin.diff(id, outs, next)).toEqual({ changes: true, replaces: [] });
    await plugin.hasSaid("\nweb: 1 file to copy (5 B)\n");
    const synced = await plugin.update(id, outs, next);
    expect(synced).toMatchObject({ status: "in step", files: 2, size: 8, sourceHash: next["sourceHash"] });

    rmSync(join(there, "a"));
    expect(await plugin.diff(id, synced, next)).toEqual({ changes: false, replaces: [] }); // a refresh's business
    const seen = (await plugin.read(id, synced)).outs;
    expect(seen).toMatchObject({ status: "out of step", files: 2 });
    await plugin.hasSaid("\nweb: out of step: 1 file to copy (3 B)\n");
    expect(await plugin.diff(id, seen, next)).toEqual({ changes: true, replaces: [] });
    expect(await plugin.update(id, seen, next)).toMatchObject({ status: "in step" });
    expect(readdirSync(there)).toEqual(["a", "b"]);

    const moved = (await plugin.check({ ...fields, remotePath: join(there, "deeper") })).inputs;
    expect(await plugin.diff(id, synced, moved)).toEqual({
      ...{ changes: true, replaces: ["remotePath"], deleteFirst: true },
    });
    await plugin.delete(id, synced);
    await plugin.delete(id, synced);
    expect(existsSync(there)).toBe(false);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a target that can't be reached is no failure of the preview", async () => {
  await using server = await Sshd.start();
  await using plugin = await Plugin.start();
  const connection = { ...server.endpoint, dialErrorLimit: 1 };
  await server.kill();
  const news = { ...sentBy("DirectorySync"), connection, source: __dirname, remotePath: "/x" };
  expect((await plugin.check(news)).failures).toEqual([]);
  expect(plugin.output).toBe("");
});
