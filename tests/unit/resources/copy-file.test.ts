import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { difference } from "../../../provider/engine/diff";
import { checkInputs } from "../../../provider/engine/inputs";
import { LOOK } from "../engine/things";
import { copyFile } from "../../../provider/resources/copy-file";
import type { AnyHandler } from "../../../provider/resources/registry";
import { copyFileSchema, type CopyFileSpec } from "../../../provider/schema/copy-file";
import { Ssh } from "../../../provider/ssh/ssh";
import { failureOf, TestContext } from "../../support/context";
import { Sshd } from "../../support/sshd";

const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const ssh = new Ssh();
const handler: AnyHandler = copyFile as never;
let server: Sshd;
let folder: string;
let fixture: TestContext;

beforeAll(async () => {
  server = await Sshd.start({ sftp: "internal-sftp" });
});
afterAll(async () => {
  await ssh.close();
  await server[Symbol.asyncDispose]();
});
beforeEach(() => {
  folder = join(server.folder, "files");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  fixture = new TestContext(ssh);
});

const at = (name: string) => join(folder, name);
const hashOf = (text: string) => createHash("sha256").update(text).digest("hex");

/** Inputs as they are after a check that went well. */
async function checked(fields: object): Promise<CopyFileSpec> {
  const { inputs, failures } = await checkInputs(
    handler,
    {
      ...{ connection: server.endpoint, remotePath: at("there"), ...fields },
    },
    LOOK,
  );
  expect(failures).toEqual([]);
  return copyFileSchema.parse(Object.fromEntries(Object.entries(inputs).filter(([, value]) => value !== undefined)));
}

async function created(fields: object) {
  const inputs = await checked(fields);
  return { ...inputs, ...(await copyFile.create("id", inputs, fixture.context)) };
}

test("a changed source shows in the preview, and is copied by the update", async () => {
  writeFileSync(at("here"), "one");
  const saved = await created({ source: at("here") });
  expect(saved).toMatchObject({ sha256: hashOf("one"), sourceHash: hashOf("one"), size: 3 });
  expect(difference(handler, saved, await checked({ source: at("here") }))).toMatchObject({ changes: false });

  writeFileSync(at("here"), "two");
  const next = await checked({ source: at("here") });
  expect(difference(handler, saved, next)).toMatchObject({ changes: true, replaces: [] });
  expect(await copyFile.update("id", saved, next, fixture.context)).toEqual({ sha256: hashOf("two"), size: 3 });
  expect(readFileSync(at("there"), "utf8")).toBe("two");
});

test("a source that changes between the check and the copy is an error", async () => {
  writeFileSync(at("here"), "one");
  const inputs = await checked({ source: at("here") });
  writeFileSync(at("here"), "two");
  expect(await failureOf(copyFile.create("id", inputs, fixture.context))).toMatchObject({ code: "COPY_FAILED" });
  expect(existsSync(at("there"))).toBe(false);
});

test("content is copied as it is, with its mode", async () => {
  expect(await created({ content: "ä\n", mode: "0600" })).toMatchObject({ sha256: hashOf("ä\n"), size: 3 });
  expect(readFileSync(at("there"), "utf8")).toBe("ä\n");
});

test("an update that changes nothing there needs no connection", async () => {
  const saved = await created({ content: "x" });
  const nowhere = { ...saved, connection: { ...saved.connection, host: "no.such.host" } };
  const next = { ...nowhere, connection: { ...nowhere.connection, privateKey: "another" }, removeOnDelete: true };
  expect(await copyFile.update("id", nowhere, next, fixture.context)).toEqual({ sha256: hashOf("x"), size: 1 });
});

test("another host gets the file, too", async () => {
  const saved = await created({ content: "x" });
  const elsewhere = { ...saved, connection: { ...saved.connection, host: "no.such.host" } };
  rmSync(at("there"));
  await copyFile.update("id", elsewhere, saved, fixture.context);
  expect(readFileSync(at("there"), "utf8")).toBe("x");
});

test("a download comes again when a trigger changes", async () => {
  writeFileSync(at("there"), "one");
  const saved = await created({ download: at("deep/here"), triggers: [1] });
  expect(readFileSync(at("deep/here"), "utf8")).toBe("one");
  writeFileSync(at("there"), "two");
  const next = await checked({ download: at("deep/here"), triggers: [2] });
  await copyFile.update("id", saved, next, fixture.context);
  expect(readFileSync(at("deep/here"), "utf8")).toBe("two");
});

test("a refresh finds a file that is gone or changed, on either side", async () => {
  const up = await created({ content: "x" });
  const down = await created({ download: at("back") });
  for (const saved of [up, down])
    expect(await copyFile.read?.("id", saved, fixture.context)).toEqual({ sha256: hashOf("x"), size: 1 });
  writeFileSync(at("there"), "y");
  writeFileSync(at("back"), "z");
  for (const saved of [up, down]) expect(await copyFile.read?.("id", saved, fixture.context)).toBeUndefined();
  rmSync(at("there"));
  rmSync(at("back"));
  for (const saved of [up, down]) expect(await copyFile.read?.("id", saved, fixture.context)).toBeUndefined();
  expect(fixture.said.map((line) => /(is gone|another content)$/.exec(line)?.[0])).toEqual([
    ...["another content", "another content", "is gone", "is gone"],
  ]);
});

test("the file stays when the resource goes, unless asked otherwise", async () => {
  await copyFile.delete("id", await created({ content: "x" }), fixture.context);
  expect(existsSync(at("there"))).toBe(true);
  const download = await created({ download: at("back"), removeOnDelete: true });
  await copyFile.delete("id", download, fixture.context);
  expect(existsSync(at("back"))).toBe(true); // that one is the user's
  const removed = await created({ content: "x", removeOnDelete: true });
  await copyFile.delete("id", removed, fixture.context);
  await copyFile.delete("id", removed, fixture.context);
  expect(existsSync(at("there"))).toBe(false);
});

test("with its VM gone it is gone, without a connection", async () => {
  const saved = await created({ content: "x", removeOnDelete: true, vmId: "web-1" });
  const nowhere = { ...saved, connection: { ...saved.connection, host: "no.such.host" } };
  fixture.machinesAlive = false;
  await copyFile.delete("id", nowhere, fixture.context);
  expect(await copyFile.read?.("id", nowhere, fixture.context)).toBeUndefined();
});

test("a new VM gets a new copy; its own way to the same one does not", async () => {
  const saved = await created({ content: "x", vmId: "web-1" });
  const other = { ...saved, connection: { ...saved.connection, port: 1 } };
  const own = { ...other, connection: { ...other.connection, keyOf: "web-1" } };
  expect(difference(handler, saved, own)).toMatchObject({ changes: false });
  expect(difference(handler, saved, other)).toMatchObject({ changes: true, replaces: [] }); // to be known from now on
  const next = { ...saved, vmId: UNKNOWN, connection: UNKNOWN };
  expect(difference(handler, saved, next)).toMatchObject({ changes: true, replaces: ["vmId"] });
});

test.each<[string, object, string]>([
  ["no source", {}, "source: is required: or else content, or download"],
  ["two sources", { content: "", download: "x" }, "download: can't be set beside content: what is to be copied?"],
  ["a directory", { source: "." }, "source: must be a file on this host; .* is a directory: for those there is Dir"],
  [
    "a directory to write over",
    { download: "." },
    "download: must be a file on this host; .* is a directory: name the",
  ],
  ["a missing file", { source: "./none" }, "source: must be a file on this host; .*/none does not exist"],
  ["a relative path there", { content: "", remotePath: "etc/x" }, "remotePath: must be a path on the VM: absolute"],
  ["another user's home", { content: "", remotePath: "~ada/x" }, "remotePath: must be a path on the VM: absolute"],
  ["a way out", { content: "", remotePath: "/etc/../x" }, "remotePath: must be a path without .."],
  ["a mode", { content: "", mode: "u+x" }, "mode: must be permission bits as chmod"],
  ["an owner", { content: "", fileOwner: "a b" }, "fileOwner: must be an owner as chown"],
  ["an option as owner", { content: "", fileOwner: "--reference=x" }, "fileOwner: must be an owner as chown"],
  ["an owner here", { download: "x", fileOwner: "ada" }, "fileOwner: is for copies to a VM"],
])("%s is refused at preview", async (_what, fields, expected) => {
  const inputs = { connection: server.endpoint, remotePath: "/x", ...fields };
  const { failures } = await checkInputs(handler, inputs, LOOK);
  expect(failures.map(({ property, reason }) => `${property}: ${reason}`)).toEqual([expect.stringMatching(expected)]);
});

test("a source that can't be read is refused at preview", async () => {
  const open = mkdtempSync(join(tmpdir(), "mayfly-unreadable-"));
  const source = join(open, "secret");
  writeFileSync(source, "x", { mode: 0 });
  chmodSync(open, 0o755);
  const isRoot = process.geteuid?.() === 0; // who may read anything
  try {
    const inputs = copyFileSchema.parse({ connection: server.endpoint, remotePath: "/x", source });
    if (isRoot) process.seteuid?.(65_534);
    const failures = await copyFile.check?.(inputs, LOOK);
    expect(failures).toEqual([
      { property: "source", reason: expect.stringMatching(/^can't be read: EACCES.*; look at its rights: ls -l /) },
    ]);
  } finally {
    if (isRoot) process.seteuid?.(0);
    rmSync(open, { recursive: true });
  }
});

test("an unknown source is no error", async () => {
  const { failures, inputs } = await checkInputs(
    handler,
    {
      ...{ connection: UNKNOWN, remotePath: "/x", source: UNKNOWN },
    },
    LOOK,
  );
  expect(failures).toEqual([]);
  expect(inputs).not.toHaveProperty("sourceHash");
});
