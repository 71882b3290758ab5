import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { difference } from "../../../provider/engine/diff";
import { checkInputs } from "../../../provider/engine/inputs";
import { directorySync } from "../../../provider/resources/directory-sync";
import type { AnyHandler } from "../../../provider/resources/registry";
import { directorySyncSchema, type DirectorySyncSpec } from "../../../provider/schema/directory-sync";
import { Ssh } from "../../../provider/ssh/ssh";
import { failureOf, TestContext } from "../../support/context";
import { Sshd } from "../../support/sshd";
import { LOOK } from "../engine/things";

const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const ssh = new Ssh();
const handler: AnyHandler = directorySync as never;
let server: Sshd;
let here: string;
let there: string;
let fixture: TestContext;

beforeAll(async () => {
  server = await Sshd.start({ sftp: "internal-sftp" });
});
afterAll(async () => {
  await ssh.close();
  await server[Symbol.asyncDispose]();
});
beforeEach(() => {
  [here, there] = [join(server.folder, "here"), join(server.folder, "there")];
  for (const folder of [here, there]) rmSync(folder, { recursive: true, force: true });
  mkdirSync(here);
  fixture = new TestContext(ssh);
});

/** Writes a file, and the folders above it. */
function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

const files = (folder: string) => readdirSync(folder, { recursive: true, encoding: "utf8" }).sort();
const read = (...names: string[]) => readFileSync(join(...names), "utf8");
const outputsOf = ({ status, files, size }: Awaited<ReturnType<typeof created>>) => ({ status, files, size });

/** Inputs as they are after a check that went well. */
async function checked(fields: object = {}): Promise<DirectorySyncSpec> {
  const news = { connection: server.endpoint, remotePath: there, ...fields };
  const { inputs, failures } = await checkInputs(handler, "download" in news ? news : { source: here, ...news }, LOOK);
  expect(failures).toEqual([]);
  return directorySyncSchema.parse(
    Object.fromEntries(Object.entries(inputs).filter(([, value]) => value !== undefined)),
  );
}

async function created(fields: object = {}) {
  const inputs = await checked(fields);
  return { ...inputs, ...(await directorySync.create("id", inputs, fixture.context)) };
}

type Saved = Awaited<ReturnType<typeof created>>;
const refreshed = async (saved: Saved) => ({ ...saved, ...(await directorySync.read?.("id", saved, fixture.context)) });
const needsUpdate = (saved: Saved) => directorySync.needsUpdate?.("id", saved, saved, fixture.context);
const foreseen = (saved: Saved | undefined, inputs: DirectorySyncSpec) =>
  directorySync.foresee?.(saved, inputs, fixture.context);

async function updated(saved: Saved, fields: object = {}): Promise<Saved> {
  const next = await checked(fields);
  return { ...next, ...(await directorySync.update("id", saved, next, fixture.context)) };
}

describe("a folder on the host", () => {
  test("is brought to the VM, and what changes in it shows in the preview and is synced by the update", async () => {
    write(join(here, "a"), "one");
    write(join(here, "sub/b"), "b");
    expect(await foreseen(undefined, await checked())).toBe("2 files to copy (4 B), 1 folder to make");
    expect(existsSync(there)).toBe(false);
    const saved = await created();
    expect(outputsOf(saved)).toEqual({ status: "in step", files: 2, size: 4 });
    expect(files(there)).toEqual(["a", "sub", "sub/b"]);
    expect(difference(handler, saved, await checked())).toMatchObject({ changes: false });

    write(join(here, "a"), "two"); // of the same size, maybe in the same second
    write(join(here, "sub/c"), "c");
    const next = await checked();
    expect(difference(handler, saved, next)).toMatchObject({ changes: true, replaces: [] });
    expect(await foreseen(saved, next)).toBe("2 files to copy (4 B)");
    expect(outputsOf(await updated(saved))).toEqual({ status: "in step", files: 3, size: 5 });
    expect([read(there, "a"), read(there, "sub/c")]).toEqual(["two", "c"]);
  });

  test.each<[string, () => void]>([
    ["content", () => write(join(here, "file"), "two")],
    ["name", () => write(join(here, "filf"), "one")],
    ["mode", () => chmodSync(join(here, "file"), 0o640)],
    ["mode of a folder", () => chmodSync(join(here, "sub"), 0o700)],
    ["empty folder", () => mkdirSync(join(here, "empty"))],
    ["link", () => symlinkSync("nowhere", join(here, "link2"))],
    [
      "link's target",
      () => {
        rmSync(join(here, "link"));
        symlinkSync("sub", join(here, "link"));
      },
    ],
    [
      "file where a folder was",
      () => {
        rmSync(join(here, "sub"), { recursive: true });
        write(join(here, "sub"), "");
      },
    ],
  ])("another %s is a change", async (_what, change) => {
    write(join(here, "file"), "one");
    mkdirSync(join(here, "sub"), { mode: 0o755 });
    symlinkSync("file", join(here, "link"));
    const before = (await checked()).sourceHash;
    change();
    const after = (await checked()).sourceHash;
    expect(after).toMatch(/^[0-9a-f]{64}$/);
    expect(after).not.toBe(before);
  });

  test("a clone of it, with other times, is no change, and is not copied again", async () => {
    write(join(here, "sub/a"), "one");
    utimesSync(join(here, "sub/a"), 1_000_000_000, 1_000_000_000);
    const saved = await created();
    const clone = join(server.folder, "clone");
    cpSync(here, clone, { recursive: true });
    const next = await checked({ source: clone });
    expect(next.sourceHash).toBe(saved.sourceHash);
    expect(await needsUpdate(await refreshed({ ...saved, source: clone }))).toBe(false);
    // A touched file neither, nor one that is excluded.
    utimesSync(join(here, "sub/a"), 1, 1);
    write(join(here, "x.log"), "");
    expect((await checked({ exclude: ["*.log"] })).sourceHash).toBe(saved.sourceHash);
  });

  test("that changes while it is synced is synced again by the next update", async () => {
    write(join(here, "a"), "one");
    const inputs = await checked();
    write(join(here, "a"), "three");
    const saved = { ...inputs, ...(await directorySync.create("id", inputs, fixture.context)) };
    expect(saved.status).toBe("out of step");
    expect(fixture.said).toEqual([expect.stringContaining("changed meanwhile")]);
    expect(await needsUpdate(saved)).toBe(true);
    write(join(here, "a"), "one");
    expect((await updated(saved)).status).toBe("in step");
    expect(read(there, "a")).toBe("one");
  });

  test("what is only on the VM stays, or goes when asked to; what is excluded stays always", async () => {
    write(join(here, "a"), "a");
    for (const name of ["theirs", "log/x"]) write(join(there, name), "");
    const saved = await created();
    expect(files(there)).toEqual(["a", "log", "log/x", "theirs"]);
    const fields = { deleteExtra: true, exclude: ["log/"] };
    expect(difference(handler, saved, await checked(fields))).toMatchObject({ changes: true, replaces: [] });
    expect(await foreseen(saved, await checked(fields))).toBe("1 to remove");
    await updated(saved, fields);
    expect(files(there)).toEqual(["a", "log", "log/x"]);
  });

  test("an update that changes nothing there needs no connection; another host is synced", async () => {
    write(join(here, "a"), "a");
    const saved = await created();
    const at = (privateKey: string) => ({ ...saved, connection: { ...saved.connection, host: "no.such", privateKey } });
    expect(await directorySync.update("id", at("a"), at("b"), fixture.context)).toMatchObject({ status: "in step" });
    expect(difference(handler, saved, { ...saved, method: "sftp" })).toMatchObject({ changes: false });

    rmSync(join(there, "a"));
    const connection = { ...saved.connection, host: "no.such.host" };
    await directorySync.update("id", { ...saved, connection }, saved, fixture.context);
    expect(readFileSync(join(there, "a"), "utf8")).toBe("a");
  });

  test("a changed trigger syncs again", async () => {
    write(join(here, "a"), "a");
    const saved = await created({ triggers: [1] });
    write(join(there, "a"), "theirs");
    await updated(saved, { triggers: [2] });
    expect(read(there, "a")).toBe("a");
  });
});

describe("a refresh", () => {
  test.each<[string, () => void, string | undefined]>([
    ["nothing", () => undefined, undefined],
    ["another time alone", () => utimesSync(join(there, "a"), 1, 1), undefined],
    ["another content", () => write(join(there, "a"), "longer"), "1 file to copy (3 B)"],
    ["another content of the same size", () => write(join(there, "a"), "two"), "1 file to copy (3 B)"],
    ["another mode", () => chmodSync(join(there, "a"), 0o700), "1 mode to change"],
    ["a missing file", () => rmSync(join(there, "a")), "1 file to copy (3 B)"],
    ["a missing folder", () => rmSync(there, { recursive: true }), "1 file to copy (3 B), 1 folder to make"],
    ["a file more, as deleteExtra is set", () => write(join(there, "c"), ""), "1 to remove"],
    ["a file more that is excluded", () => write(join(there, "x.log"), ""), undefined],
    ["a source that is gone", () => rmSync(here, { recursive: true }), "the source is gone"],
  ])("finds %s", async (_what, change, reason) => {
    write(join(here, "a"), "one");
    mkdirSync(join(here, "sub"));
    const saved = await created({ deleteExtra: true, exclude: ["*.log"] });
    change();
    const seen = await refreshed(saved);
    expect(seen.status).toBe(reason === undefined ? "in step" : "out of step");
    expect(fixture.said).toEqual(reason === undefined ? [] : [`out of step: ${reason}`]);
    expect(await needsUpdate(seen)).toBe(reason !== undefined);
    if (!existsSync(here)) return;
    expect((await updated(seen, { deleteExtra: true, exclude: ["*.log"] })).status).toBe("in step");
    expect(files(there).filter((name) => name !== "x.log")).toEqual(["a", "sub"]);
    expect(read(there, "a")).toBe("one");
  });

  test("leaves alone what is more at the target, where that may stay", async () => {
    const saved = await created();
    write(join(there, "theirs"), "");
    expect(await needsUpdate(await refreshed(saved))).toBe(false);
  });
});

describe("a download", () => {
  test("makes a folder here like the VM's; a refresh finds what has changed there", async () => {
    write(join(there, "log/a"), "one");
    const saved = await created({ download: here });
    expect(saved).not.toHaveProperty("sourceHash");
    expect(outputsOf(saved)).toEqual({ status: "in step", files: 1, size: 3 });
    expect(await needsUpdate(await refreshed(saved))).toBe(false);

    write(join(there, "log/a"), "longer");
    write(join(here, "mine"), "");
    const seen = await refreshed(saved);
    expect(fixture.said).toEqual(["out of step: 1 file to copy (6 B)"]);
    await updated(seen, { download: here });
    expect(read(here, "log/a")).toBe("longer");
    expect(existsSync(join(here, "mine"))).toBe(true);
  });

  test("of a folder that there is not fails, and removes nothing", async () => {
    write(join(here, "mine"), "");
    const error = await failureOf(created({ download: here, deleteExtra: true }));
    expect(error).toMatchObject({ code: "NOT_FOUND", message: expect.stringContaining("dependsOn") });
    expect(files(here)).toEqual(["mine"]);
  });
});

describe("when the resource goes", () => {
  test("the folder stays, unless asked otherwise", async () => {
    write(join(here, "a"), "a");
    await directorySync.delete("id", await created(), fixture.context);
    expect(files(there)).toEqual(["a"]);
    write(join(there, "theirs"), "");
    const saved = await created({ removeOnDelete: true });
    await directorySync.delete("id", saved, fixture.context);
    await directorySync.delete("id", saved, fixture.context);
    expect(files(there)).toEqual(["theirs"]);
    await directorySync.delete("id", await created({ removeOnDelete: true, deleteExtra: true }), fixture.context);
    expect(existsSync(there)).toBe(false);
  });

  test("with its VM it is gone, without a connection", async () => {
    const saved = await created({ removeOnDelete: true, vmId: "web-1" });
    const nowhere = { ...saved, connection: { ...saved.connection, host: "no.such.host" } };
    fixture.machinesAlive = false;
    await directorySync.delete("id", nowhere, fixture.context);
    expect(await directorySync.read?.("id", nowhere, fixture.context)).toBeUndefined();
    expect(await foreseen(nowhere, nowhere)).toBeUndefined();
  });

  test("with another key since, its VM is asked for that, and has the sessions in its log", async () => {
    const machine = join(server.folder, "web-1");
    mkdirSync(machine);
    const own = new Ssh(); // a connection of another test's goes on in the log of that
    fixture = new TestContext(own, (_id, name) => join(machine, name));
    const saved = await created({ removeOnDelete: true, vmId: "web-1" });
    write(join(machine, "connection.json"), JSON.stringify(saved.connection));
    const { privateKey } = await ssh.makeKey({ algorithm: "ed25519" }); // as good as an old one: refused
    const old = { ...saved, connection: { ...saved.connection, privateKey } };
    expect(await directorySync.read?.("id", old, fixture.context)).toMatchObject({ status: "in step" });
    await directorySync.delete("id", old, fixture.context);
    expect(existsSync(there)).toBe(false);
    await own.close();
    expect(read(machine, "sessions.jsonl")).toContain('"resource":"tests"');
  });

  test("a VM that goes while we try is no failure", async () => {
    const saved = await created({ removeOnDelete: true, vmId: "web-1" });
    const dead = { ...saved, connection: { ...saved.connection, port: 1, dialErrorLimit: 1 } };
    expect(await failureOf(directorySync.delete("id", dead, fixture.context))).toMatchObject({
      code: "CONNECT_FAILED",
    });
    const { context } = fixture;
    let asked = 0;
    const machines = { file: () => "/no/such/file", isAlive: () => Promise.resolve((asked += 1) === 1) } as never;
    await directorySync.delete("id", dead, { ...context, machines });
  });
});

test("a new VM gets all of it; its own way to the same one does not", async () => {
  const saved = await created({ vmId: "web-1" });
  const other = { ...saved, connection: { ...saved.connection, port: 1 } };
  const own = { ...other, connection: { ...other.connection, keyOf: "web-1" } };
  expect(difference(handler, saved, own)).toMatchObject({ changes: false });
  expect(difference(handler, saved, other)).toMatchObject({ changes: true, replaces: [] }); // to be known from now on
  const next = { ...saved, vmId: UNKNOWN, connection: UNKNOWN };
  expect(difference(handler, saved, next)).toMatchObject({ changes: true, replaces: ["vmId"] });
});

test.each([
  ["/srv/a", "/srv/a/b", true],
  ["/srv/a", "/srv/ab", false],
  ["/srv/a/b", "/", true],
  ["~/a", "/home/ada/a/b", true],
  ["~/a", "~/b", false],
])("a move from %s to %s: the old one goes first? %s", async (remotePath, to, isFirst) => {
  const old = { ...(await checked()), remotePath, removeOnDelete: true };
  const next = { ...old, remotePath: to };
  const found = { changes: true, replaces: ["remotePath"] };
  expect(difference(handler, old, next)).toEqual({ ...found, deleteBeforeReplace: isFirst });
  expect(difference(handler, { ...old, removeOnDelete: false }, next)).toMatchObject({ deleteBeforeReplace: false });
});
