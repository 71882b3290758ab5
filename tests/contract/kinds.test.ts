import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Plugin, type Wire } from "./support/plugin";
import { sentBy, UNKNOWN } from "./support/provider-text";

// The kinds that users have, by the text that is in their state files, as far as they need no machine.

const SECRET = "4dabf18193072939515e22adb298388d";
const HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAII37xzK3pcyiJ1Ho4w05Mtm+IOKI4Ysxi4OrWBBEhtAt";
let plugin: Plugin;
beforeAll(async () => {
  plugin = await Plugin.start();
});
afterAll(async () => {
  await plugin[Symbol.asyncDispose]();
});

/** A value that is marked as secret on the wire. */
const secret = (value: unknown): Wire => ({ [SECRET]: "1b47061264138c4ac30d75fd1eb44270", value });
const connection = { host: "127.0.0.1", privateKey: "a key", hostKey: HOST_KEY };
const vmConnection = { ...connection, port: 2_222, user: "root" };

describe("every kind", () => {
  const kinds: [string, Wire, Wire][] = [
    ["VM", { image: "localhost/x" }, { memory: 1_024, cpus: 2, mounts: [], accelerator: "auto" }],
    ["Image", { debian: {} }, { debian: { suite: "bookworm", packages: [] }, warm: [] }],
    ["SshKey", {}, { algorithm: "ed25519", keepers: {} }],
    ["CopyFile", { connection, content: "x", remotePath: "/x/" }, { remotePath: "/x", removeOnDelete: false }],
    [
      "DirectorySync",
      { connection, source: __dirname, remotePath: "/x/" },
      { remotePath: "/x", deleteExtra: false, exclude: [], method: "auto", removeOnDelete: false },
    ],
    ["PortForward", { connection, guestPort: 80 }, { type: "local", hostAddress: "127.0.0.1" }],
    ["Network", {}, { subnet: "10.80.0.0/24" }],
    ["SshConfig", { connection, alias: "web" }, { include: false }],
    ["SshCommand", { connection }, { allowedExitCodes: [0], timeout: 3_600, environment: {} }],
  ];

  test.each(kinds)("%s: defaults, and no change of itself", async (kind, fields, defaults) => {
    const { inputs, failures } = await plugin.check({ ...sentBy(kind), ...fields });
    expect(failures).toEqual([]);
    expect(inputs).toMatchObject({ ...sentBy(kind), ...defaults });
    expect((await plugin.check(inputs)).inputs).toEqual(inputs); // a checked one is what it will be
  });

  test.each(kinds)("%s: every field may be unknown", async (kind, fields) => {
    const { inputs } = await plugin.check({ ...sentBy(kind), ...fields });
    const unknown = Object.fromEntries(Object.keys(inputs).map((field) => [field, UNKNOWN]));
    const { failures } = await plugin.check({ ...unknown, ...sentBy(kind) });
    expect(failures).toEqual([]);
  });

  test.each(kinds)("%s: a field that there is not is named", async (kind, fields) => {
    const { failures } = await plugin.check({ ...sentBy(kind), ...fields, nmae: "x" });
    expect(failures).toEqual([expect.stringMatching(/^nmae: there is no such field: /)]);
  });
});

describe("VM", () => {
  test("everything that is wrong, at preview, with an image that is not known yet", async () => {
    const mounts = [
      { source: ".", target: "/srv" },
      { source: "./nowhere", target: "srv", owner: 5 },
    ];
    const { failures } = await plugin.check({
      ...{ ...sentBy("VM"), image: UNKNOWN, memory: "1 gigabyte", cpus: 0, mounts },
      ports: [{ guest: 99_999 }],
    });
    expect(failures.map((failure) => failure.split(":")[0]).sort()).toEqual([
      ...["cpus", "memory", "mounts[1].owner", "mounts[1].target", "ports[0].guest"],
    ]);
    expect(failures).toContain(
      'memory: must be a size such as "512MiB" or "2GiB", or a number of MiB, got "1 gigabyte"',
    );
  });

  test("a mount whose source is missing fails at preview, with an image that is not known yet", async () => {
    const mounts = [{ source: "./nowhere", target: "/srv" }];
    const { failures } = await plugin.check({ ...sentBy("VM"), image: UNKNOWN, mounts });
    expect(failures).toEqual([expect.stringMatching(/^mounts\[0\]\.source: must be a directory .*nowhere does not/)]);
  });

  test("is made anew with its image, and preview says so before that has a name; not for what its image changes in place", async () => {
    const made = async (fields: Wire) =>
      (await plugin.check({ ...sentBy("VM"), image: "localhost/x", ...fields })).inputs;
    const olds = await made({ imageId: "debian-1" });
    expect((await plugin.diff("web-0", olds, { ...olds, image: UNKNOWN, imageId: UNKNOWN })).replaces).toEqual([
      ...["imageId"],
    ]);
    const renamed = { ...olds, imageId: "debian-2" }; // the same content, by another resource
    expect((await plugin.diff("web-0", olds, renamed)).replaces).not.toContain("imageId");
  });

  test("a port is looked at for a new VM, not for one that holds it itself, and changes hands old to new", async () => {
    await using taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as { port: number };
    const news = { ...sentBy("VM"), image: "localhost/x", ports: [{ guest: 80, host: port }] };
    const { inputs, failures } = await plugin.check(news);
    expect(failures).toEqual([expect.stringMatching(/^ports\[0\]\.host: 127\.0\.0\.1:\d+ is taken by node /)]);
    expect((await plugin.check(news, inputs)).failures).toEqual([]);
    const larger = (await plugin.check({ ...news, memory: "2GiB" }, inputs)).inputs;
    const replaced = { changes: true, replaces: ["memory"] };
    expect(await plugin.diff("web-0", inputs, larger)).toEqual({ ...replaced, deleteFirst: true });
    const free = [{ guest: 80, host: 0, hostAddress: "127.0.0.1", protocol: "tcp" }];
    expect(await plugin.diff("web-0", { ...inputs, ports: free }, { ...larger, ports: free })).toEqual(replaced);
  });

  test("sizes and durations are compared by what they mean", async () => {
    const written = { ...sentBy("VM"), image: "localhost/x", memory: "2GiB", expiresAfter: "1h" };
    const { inputs } = await plugin.check({ ...written, memory: 2_048, expiresAfter: 3_600 });
    expect((await plugin.check(written)).inputs).toEqual(inputs);
  });
});

test("a VM that is gone already is deleted, as often as asked", async () => {
  const { inputs } = await plugin.check({ ...sentBy("VM"), image: "localhost/x" });
  const olds = { ...inputs, connection: vmConnection, status: "running", schemaVersion: 1 };
  await plugin.delete("web-00000000", olds);
  await plugin.delete("web-00000000", olds);
  expect((await plugin.read("web-00000000", olds)).id).toBe("");
  expect(await plugin.diff("web-00000000", olds, inputs)).toEqual({ changes: true, replaces: ["status"] });
});

describe("SshCommand", () => {
  const made = async (fields: Wire) =>
    (await plugin.check({ ...sentBy("SshCommand"), connection, vmId: "web-1", create: "true", ...fields })).inputs;

  test("runs again on a new VM, and preview says so before the VM has a name", async () => {
    const olds = { ...(await made({})), stdout: "", exitCode: 0, schemaVersion: 1 };
    const anew = { changes: true, replaces: ["vmId"] };
    expect(await plugin.diff("run-1", olds, await made({ vmId: UNKNOWN, connection: UNKNOWN }))).toEqual(anew);
    expect(await plugin.diff("run-1", olds, await made({ vmId: "web-2", connection: vmConnection }))).toEqual(anew);
  });

  test("does nothing for the VM's own way to it, and notes one that the program gives", async () => {
    const olds = { ...(await made({})), stdout: "", exitCode: 0, schemaVersion: 1 };
    const diff = async (way: Wire | string) => plugin.diff("run-1", olds, await made({ connection: way }));
    const { privateKey: _key, ...way } = vmConnection;
    expect(await diff({ ...way, keyOf: "web-1" })).toEqual({ changes: false, replaces: [] });
    expect(await diff(UNKNOWN)).toEqual({ changes: false, replaces: [] });
    expect(await diff(vmConnection)).toEqual({ changes: true, replaces: [] });
  });

  test("shows that it has to run again when its first run failed, also once Pulumi has forgotten that", async () => {
    const inputs = await made({ delete: "true" });
    const failed = { ...inputs, stdout: "", exitCode: 1, schemaVersion: 1 };
    expect(await plugin.diff("run-1", failed, inputs)).toEqual({ changes: true, replaces: [] });
  });

  test("with a delete, goes before it comes again; not where it is on another VM, known or not", async () => {
    const olds = { ...(await made({ delete: "true", triggers: [1] })), stdout: "", exitCode: 0, schemaVersion: 1 };
    const diff = async (fields: Wire) => plugin.diff("run-1", olds, await made({ delete: "true", ...fields }));
    expect(await diff({ triggers: [2] })).toEqual({ changes: true, replaces: ["triggers"], deleteFirst: true });
    const moved = { changes: true, replaces: ["vmId"] };
    expect(await diff({ triggers: [1], vmId: UNKNOWN, connection: UNKNOWN })).toEqual(moved);
    expect(await diff({ triggers: [1], vmId: "web-2" })).toEqual(moved);
  });

  test("of a VM that is gone is deleted without it, as often as asked", async () => {
    const olds = { ...(await made({ delete: "false" })), stdout: "", stderr: "", exitCode: 0, schemaVersion: 1 };
    await plugin.delete("run-1", olds);
    await plugin.delete("run-1", olds);
  });
});

describe("SshKey", () => {
  const made = async (fields: Wire) => (await plugin.check({ ...sentBy("SshKey"), ...fields })).inputs;
  /** As the engine hands a state in again: without the mark. */
  const saved = (outs: Wire): Wire => {
    const { privateKeyOutput, ...rest } = outs;
    return privateKeyOutput === undefined ? rest : { ...rest, privateKeyOutput: (privateKeyOutput as Wire)["value"] };
  };

  test("lives: made, read, changed in place, rotated, deleted", async () => {
    const { id, outs } = await plugin.create(await made({ comment: "one" }));
    expect(id).toMatch(/^web-[0-9a-f]{8}$/);
    expect(outs).toMatchObject({
      publicKeyOutput: expect.stringMatching(/^ssh-ed25519 \S+ one$/),
      privateKeyOutput: secret(expect.stringContaining("BEGIN OPENSSH PRIVATE KEY")),
      fingerprint: expect.stringMatching(/^SHA256:/),
    });
    const state = saved(outs);
    expect(await plugin.read(id, state)).toEqual({ id, outs });
    expect(await plugin.diff(id, state, await made({ comment: "one" }))).toEqual({ changes: false, replaces: [] });

    const renamed = await made({ comment: "two" });
    expect(await plugin.diff(id, state, renamed)).toEqual({ changes: true, replaces: [] });
    expect(await plugin.update(id, state, renamed)).toMatchObject({
      publicKeyOutput: expect.stringMatching(/ two$/),
      fingerprint: outs["fingerprint"],
      __provider: outs["__provider"],
    });
    expect(await plugin.diff(id, state, await made({ comment: "one", keepers: { month: "may" } }))).toEqual({
      ...{ changes: true, replaces: ["keepers"] },
    });
    await plugin.delete(id, state);
    await plugin.delete(id, state);
  });

  test("of one's own keeps the key as it was given beside the one that is used", async () => {
    const folder = mkdtempSync(join(tmpdir(), "mayfly-key-"));
    try {
      execFileSync("ssh-keygen", ["-q", "-t", "ecdsa", "-m", "PEM", "-N", "over-easy", "-f", join(folder, "id")]);
      const own = { privateKey: readFileSync(join(folder, "id"), "utf8"), passphrase: "over-easy" };
      const { outs } = await plugin.create(await made(own));
      expect(outs).toMatchObject({ ...own, privateKeyOutput: secret(expect.stringContaining("OPENSSH PRIVATE KEY")) });
      expect(await plugin.diff("key-1", saved(outs), await made(own))).toEqual({ changes: false, replaces: [] });

      const { failures } = await plugin.check({ ...sentBy("SshKey"), ...own, passphrase: "hard-boiled" });
      expect(failures).toEqual([expect.stringMatching(/^passphrase: /)]);
      expect(failures.join()).not.toContain("hard-boiled");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("SshKey, by its file or its public half", () => {
  const made = async (fields: Wire) => plugin.check({ ...sentBy("SshKey"), ...fields });
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "mayfly-key-"));
    for (const name of ["one", "two"])
      execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", join(folder, name)]);
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  test("another key in the same file shows in the preview; the same key elsewhere is no new one", async () => {
    const [one, two] = ["one", "two"].map((name) => join(folder, name));
    const { inputs } = await made({ privateKeyFile: one });
    const { id, outs } = await plugin.create(inputs);
    const { privateKeyOutput, ...state } = outs;
    expect(privateKeyOutput).toEqual(secret(expect.stringContaining("BEGIN OPENSSH PRIVATE KEY")));
    copyFileSync(join(folder, "one"), join(folder, "moved"));
    const moved = (await made({ privateKeyFile: join(folder, "moved") })).inputs;
    expect(await plugin.diff(id, state, moved)).toEqual({ changes: true, replaces: [] });
    const other = (await made({ privateKeyFile: two })).inputs;
    expect(await plugin.diff(id, state, other)).toEqual({ changes: true, replaces: ["sourceFingerprint"] });
    expect((await made({ privateKeyFile: join(folder, "none") })).failures).toEqual([
      expect.stringMatching(/^privateKeyFile: must be in a file on this host; /),
    ]);
  });

  test("the public half alone gives no private one, at no time", async () => {
    const publicKey = readFileSync(join(folder, "one.pub"), "utf8").trim();
    const { inputs } = await made({ publicKey });
    const { id, outs } = await plugin.create(inputs);
    expect(outs).toMatchObject({ publicKeyOutput: publicKey, fingerprint: expect.stringMatching(/^SHA256:/) });
    expect(outs).not.toHaveProperty("privateKeyOutput");
    expect(await plugin.read(id, outs)).toEqual({ id, outs });
    expect(await plugin.diff(id, outs, inputs)).toEqual({ changes: false, replaces: [] });
    const renamed = (await made({ publicKey, comment: "new" })).inputs;
    expect(await plugin.update(id, outs, renamed)).toMatchObject({ publicKeyOutput: publicKey.replace(/one$/, "new") });
  });
});

test("a VM whose root may not log in needs a user who may", async () => {
  const vm = { ...sentBy("VM"), image: UNKNOWN, rootLogin: false };
  const failures = ["rootLogin: can't be false without users: `connection` logs in as the first of them"];
  for (const image of [UNKNOWN, "localhost/x"])
    expect((await plugin.check({ ...vm, image })).failures).toEqual(failures);
  expect((await plugin.check({ ...vm, users: UNKNOWN })).failures).toEqual([]); // they may be some
  const { inputs } = await plugin.check({ ...vm, image: "localhost/x", users: [{ name: "ann" }] });
  const olds = { ...inputs, rootLogin: true, connection: vmConnection, schemaVersion: 1 };
  expect((await plugin.diff("web-00000000", { ...olds, status: "running" }, inputs)).replaces).toEqual(["status"]);
});

test("a kind of a newer version is refused, with what to do", async () => {
  await expect(plugin.check(sentBy("Snapshot"))).rejects.toThrow(/"Snapshot"; .*install the version that has changed/);
});
