import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CallError, Plugin, type Wire } from "./support/plugin";
import { sentByThing, UNKNOWN } from "./support/provider-text";

const SECRET = "4dabf18193072939515e22adb298388d";
const PASSWORD = "open-sesame";

let folder: string;
let plugin: Plugin;
const log = () => (existsSync(join(folder, "log")) ? readFileSync(join(folder, "log"), "utf8").trim().split("\n") : []);
const start = (options = {}) => Plugin.start({ environment: { THING_LOG: join(folder, "log") }, ...options });

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "mayfly-thing-"));
  plugin = await start(); // one process for all that happens in a phase, as in life
});
beforeEach(() => {
  rmSync(join(folder, "log"), { force: true });
});
afterAll(async () => {
  await plugin[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const program = (fields: Wire): Wire => ({ ...sentByThing(), label: "one", ...fields });

/** Checks, then makes, as `up` does. State comes back as the engine hands it in again: without the marks of secrets. */
async function make(fields: Wire = {}, by = plugin): Promise<{ id: string; outs: Wire; state: Wire }> {
  const { inputs, failures } = await by.check(program(fields));
  expect(failures).toEqual([]);
  const { id, outs } = await by.create(inputs);
  return { id, outs, state: { ...outs, token: `token-of-${id}` } };
}

/** What is left of a call that must fail. */
async function failureOf(call: Promise<unknown>): Promise<CallError> {
  const error = await call.then(
    () => new Error("it did not fail"),
    (reason: unknown) => reason,
  );
  if (!(error instanceof CallError)) throw error as Error;
  return error;
}

describe("check", () => {
  test("fills in defaults, deep ones too, and keeps what the engine sent along", async () => {
    const news = program({ tags: [{ key: "a" }], customTimeouts: { create: "5m" } });
    const { inputs } = await plugin.check(news);
    expect(inputs).toEqual({
      ...news,
      tags: [{ key: "a", value: "none" }],
      ...{ size: "auto", patience: 1, behaviour: "good" },
    });
  });

  test("says everything that is wrong at once, by field", async () => {
    const { failures } = await plugin.check(
      program({ label: 5, tags: [{ key: "a" }, { key: 1, valu: "x" }], sise: 1, customTimeouts: { create: "soon" } }),
    );
    expect(failures.sort()).toEqual([
      'customTimeouts.create: must be a duration such as "90s", "5m" or "1h30m", got "soon"',
      "label: must be a text",
      'sise: there is no such field: did you mean "size"?',
      "tags[1].key: must be a text",
      'tags[1].valu: there is no such field: did you mean "value"?',
    ]);
  });

  test("an unknown value skips its own check only", async () => {
    const { inputs, failures } = await plugin.check(
      program({ label: UNKNOWN, password: UNKNOWN, tags: [{ key: UNKNOWN }, { key: 1 }] }),
    );
    expect(failures).toEqual(["tags[1].key: must be a text"]);
    expect(inputs).toMatchObject({ label: UNKNOWN, size: "auto" });
    expect((await plugin.check(program({ tags: [{ key: UNKNOWN }] }))).inputs["tags"]).toEqual([
      { key: UNKNOWN, value: "none" },
    ]);
  });

  test("rules across fields wait until all that they look at is known", async () => {
    const failures = ["password: must not be the label"];
    expect((await plugin.check(program({ password: "one" }))).failures).toEqual(failures);
    expect((await plugin.check(program({ password: "one", tags: UNKNOWN }))).failures).toEqual(failures);
    expect((await plugin.check(program({ password: "one", label: UNKNOWN }))).failures).toEqual([]);
  });
});

describe("diff", () => {
  const next = async (fields: Wire) => (await plugin.check(program(fields))).inputs;

  test("nothing changed is no change, and said so", async () => {
    const { id, state } = await make();
    expect(await plugin.diff(id, state, await next({}))).toEqual({ changes: false, replaces: [] });
  });

  test("a state from before the version number and a newer field is no change", async () => {
    const { id, state } = await make();
    const { schemaVersion, size, behaviour, ...old } = state;
    expect([schemaVersion, size, behaviour]).toEqual([1, "auto", "good"]);
    expect(await plugin.diff(id, old, await next({}))).toEqual({ changes: false, replaces: [] });
  });

  test.each<[string, Wire, boolean, string[]]>([
    ["in place", { size: 9 }, true, []],
    ["a new thing", { label: "two" }, true, ["label"]],
    ["of what only steers us", { patience: 9 }, false, []],
    ["an unknown that may be the same", { label: UNKNOWN }, true, []],
    ["unknown in part, and otherwise the same", { tags: [{ key: UNKNOWN }] }, true, []],
    ["unknown in part, and otherwise different", { tags: [{ key: UNKNOWN }, { key: "b" }] }, true, ["tags"]],
    ["an unknown name of another thing", { parentId: UNKNOWN }, true, ["parentId"]],
    ["of deadlines", { customTimeouts: { create: "9m" } }, false, []],
    ["of a deadline of delete, which sees no program", { customTimeouts: { delete: "9m" } }, true, []],
  ])("%s", async (_what, fields, changes, replaces) => {
    const { id, state } = await make({ tags: [{ key: "a" }], parentId: "p" });
    const found = await plugin.diff(id, state, await next({ tags: [{ key: "a" }], parentId: "p", ...fields }));
    expect(found).toEqual({ changes, replaces });
  });

  test("a thing that is lost is made anew", async () => {
    const { id, state } = await make({ behaviour: "lost" });
    expect(await plugin.diff(id, state, await next({ behaviour: "lost" }))).toEqual({
      changes: true,
      replaces: ["token"],
    });
  });
});

describe("state", () => {
  test("holds inputs, outputs, and the marks of secrets; an output beside an input of its name", async () => {
    const { id, outs } = await make({ password: PASSWORD });
    expect(id).toMatch(/^web-[0-9a-f]{8}$/);
    expect(outs).toEqual({
      ...program({ password: PASSWORD, tags: [], patience: 1, behaviour: "good" }),
      ...{ size: "auto", sizeOutput: 7, steps: 1, schemaVersion: 1 },
      token: { [SECRET]: "1b47061264138c4ac30d75fd1eb44270", value: `token-of-${id}` },
    });
  });

  test("later verbs see secrets in clear, marked in the state or not", async () => {
    const { id, outs, state } = await make();
    expect(
      await plugin.update(id, outs, await plugin.check(program({ size: 9 })).then(({ inputs }) => inputs)),
    ).toEqual({
      ...{ ...outs, size: 9, sizeOutput: 8, steps: 2 },
    });
    await plugin.delete(id, state);
    await plugin.delete(id, state);
    const deleted = `delete saw token token-of-${id} and label one`;
    expect(log()).toEqual([`update of a known thing saw token token-of-${id}`, deleted, deleted]);
  });

  test("read gives back the same state, and nothing when the thing is gone", async () => {
    const { id, outs, state } = await make();
    expect(await plugin.read(id, state)).toEqual({ id, outs });
    expect((await plugin.read(id, { ...state, behaviour: "gone" })).id).toBe("");
    // "Cannot tell" is not "gone": Pulumi would forget the thing.
    const unclear = await failureOf(plugin.read(id, { ...state, behaviour: "unclear" }));
    expect(unclear.message).toMatch(/^nobody can tell\n/);
  });

  test("one of a newer version is refused, with what to do", async () => {
    const { id, state } = await make();
    const { message } = await failureOf(plugin.delete(id, { ...state, schemaVersion: 2 }));
    expect(message).toContain("newer pulumi-mayfly");
    expect(message).toContain("npm install");
  });
});

describe("failure", () => {
  const created = async (fields: Wire) => plugin.create((await plugin.check(program(fields))).inputs);

  test("of a thing that is half made is saved with it, so that the next verb finds it", async () => {
    const { message, left } = await failureOf(created({ behaviour: "half", password: PASSWORD }));
    expect(message).toBe(
      "half [secret]\nlast line\nTo fix: do better\nMore on this: BOOT_FAILED in docs/errors.md of pulumi-mayfly",
    );
    expect(left).toMatchObject({ id: expect.stringMatching(/^web-/), reasons: [message] });
    const { token, ...rest } = left?.properties ?? {};
    expect(token).toHaveProperty(SECRET);
    expect(rest).toMatchObject({ ...program({ password: PASSWORD }), schemaVersion: 1 });

    const healed = await plugin.update(left?.id ?? "", left?.properties ?? {}, program({ password: PASSWORD }));
    expect(healed).toMatchObject({ sizeOutput: 8, steps: 1, __provider: rest["__provider"] });
  });

  test("of an update keeps the thing", async () => {
    const { id, state } = await make();
    const { left } = await failureOf(plugin.update(id, state, program({ behaviour: "half" })));
    expect(left).toMatchObject({ id, properties: { __provider: state["__provider"] } });
  });

  test("that was not foreseen leaves nothing, and tells no secret", async () => {
    const { message, left } = await failureOf(created({ behaviour: "bad", password: PASSWORD }));
    expect(message).toBe("Error: broke with [secret]");
    expect(left).toBeUndefined();
    await plugin.hasSaid("web: makes one for shop/dev/web with [secret]\n");
    expect(plugin.output).not.toContain(PASSWORD);
  });

  test("a deadline of the user's ends a call that hangs, after its clean-up", async () => {
    const news = program({ behaviour: "hang", customTimeouts: { create: "1s" } });
    const { message } = await failureOf(plugin.create(news));
    expect(message).toMatch(/^create of Thing "web" was not done within 1 s\nthe guest said nothing\n/);
    expect(message).toContain("To fix: if it only needs longer, give the resource the option customTimeouts");
    expect(log()).toEqual(["hangs", "cleans up"]);
  });
});

describe("the end", () => {
  test("by the engine commits what was made, cleans up, and is an end by that signal", async () => {
    await using own = await start();
    const one = await make({}, own);
    const two = await make({}, own);
    const hanging = failureOf(own.create(program({ behaviour: "hang" })));
    while (!log().includes("hangs")) await sleep(20);
    own.process.kill("SIGINT");
    while (!log().some((line) => line.startsWith("commits"))) await sleep(20);
    own.process.kill("SIGINT"); // whoever presses ^C once more does not cut the clean-up short
    expect(await own.ended()).toBe("SIGINT");
    expect(log()).toEqual(["hangs", `commits ${one.id} ${two.id}`, "cleans up"]);
    await hanging;
  });

  test("by the engine while nothing runs is an end at once", async () => {
    await using idle = await start();
    const { id } = await make({}, idle);
    idle.process.kill("SIGINT");
    expect(await idle.ended()).toBe("SIGINT");
    expect(log()).toEqual([`commits ${id}`]);
  });

  test("of the engine itself ends the plugin, which commits nothing and cleans up", async () => {
    await using orphan = await start({ between: true });
    const hanging = failureOf(orphan.create(program({ behaviour: "hang" })));
    while (!log().includes("hangs")) await sleep(20);
    orphan.process.kill("SIGKILL");
    await orphan.ended(); // only when the plugin, too, has closed its output
    expect(log()).toEqual(["hangs", "cleans up"]);
    await hanging;
  });
});
