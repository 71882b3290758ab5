import { describe, expect, test } from "@jest/globals";
import { checkInputs, wireFailures } from "../../../provider/engine/inputs";
import { LOOK, thing } from "./things";

const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const owner = { project: "shop", stack: "dev", resource: "web" };
const failuresOf = async (news: Record<string, unknown>) =>
  (await checkInputs(thing(), { owner, ...news }, LOOK)).failures.map(
    ({ property, reason }) => `${property}: ${reason}`,
  );

describe("a check", () => {
  test("fills in defaults, and takes null and undefined for them", async () => {
    const news = { name: "a", size: null, parts: [{ path: "/a", mode: undefined }], owner, __provider: "text" };
    expect(await checkInputs(thing(), news, LOOK)).toEqual({
      inputs: { name: "a", size: 1, parts: [{ path: "/a", mode: "ro" }], labels: {}, retries: 3, owner },
      failures: [],
    });
  });

  test("takes the marks of secrets off", async () => {
    const name = { "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", value: "a" };
    expect((await checkInputs(thing(), { name, owner }, LOOK)).inputs).toMatchObject({ name: "a" });
  });

  test.each<[string, Record<string, unknown>, string[]]>([
    ["all fields at once", { name: 1, size: "x" }, ["name: must be a text", "size: must be a number"]],
    ["within an array", { name: "a", parts: [{ path: "/" }, { path: 1 }] }, ["parts[1].path: must be a text"]],
    ["within a record", { name: "a", labels: { "a-b": 1 } }, ['labels["a-b"]: must be a text']],
    ["across fields", { name: "a", parent: "a" }, ["parent: must be another"]],
    ["a name with a slip", { name: "a", Sizes: 1 }, ['Sizes: there is no such field: did you mean "size"?']],
    [
      "a name like no other",
      { name: "a", parts: [{ path: "/", colour: 1 }] },
      ["parts[0].colour: there is no such field: the fields are path, mode"],
    ],
    ["of unknown fields: the field", { name: UNKNOWN, labels: { a: UNKNOWN } }, []],
    ["beside an unknown field", { name: UNKNOWN, size: "x" }, ["size: must be a number"]],
    ["within a field that holds one", { name: "a", parts: [{ path: UNKNOWN, mode: "x" }] }, [expect.any(String)]],
    ["a missing one beside an unknown", { size: UNKNOWN }, ["name: must be a text"]],
    [
      "a strange one beside an unknown",
      { name: UNKNOWN, nam: 1 },
      ['nam: there is no such field: did you mean "name"?'],
    ],
    ["across fields, of which one is unknown", { name: UNKNOWN, parent: UNKNOWN }, []],
    ["across fields, beside an unknown one", { name: "a", parent: "a", size: UNKNOWN }, ["parent: must be another"]],
    [
      "another kind, of which the schema says nothing",
      { name: "a", parts: 5 },
      ["parts: must be a list, got a number"],
    ],
    [
      "deadlines",
      { name: "a", customTimeouts: { create: "soon" } },
      [expect.stringMatching(/^customTimeouts\.create: /)],
    ],
  ] as [string, Record<string, unknown>, string[]][])("%s", async (_what, news, failures) => {
    expect((await failuresOf(news)).sort()).toEqual(failures.sort());
  });
});

describe("a look at the host", () => {
  const check = async (news: Record<string, unknown>) => {
    const seen: unknown[] = [];
    const handler = thing({
      check: (inputs) => {
        seen.push(inputs);
        return Promise.resolve([
          { property: "parts[0].path", reason: "is missing" },
          { property: "name", reason: "is taken" },
        ]);
      },
    });
    return { failures: (await checkInputs(handler, { owner, ...news }, LOOK)).failures, seen };
  };

  test("happens also when a field is wrong, and says nothing more about that one", async () => {
    const { failures, seen } = await check({ name: 1, size: "x" });
    expect(failures.map(({ property }) => property)).toEqual(["name", "size", "parts[0].path"]);
    expect(seen).toEqual([{ name: 1, size: 1, parts: [], labels: {}, retries: 3 }]);
  });

  test("sees defaults in place of what is unknown, and says nothing about it", async () => {
    const { failures, seen } = await check({ name: "a", parts: UNKNOWN, labels: { a: UNKNOWN } });
    expect(seen).toEqual([{ name: "a", size: 1, parts: [], labels: {}, retries: 3 }]);
    expect(failures).toEqual([{ property: "name", reason: "is taken" }]);
  });

  test("still happens when a field without default is unknown", async () => {
    const { failures } = await check({ name: UNKNOWN, parts: [{ path: "/a" }] });
    expect(failures).toEqual([{ property: "parts[0].path", reason: "is missing" }]);
  });
});

test("failures name no property, for which Pulumi would print the value, and hold no secret", () => {
  const failures = wireFailures([{ property: "privateKey", reason: "cannot read MIIEvQIBADAN" }], {
    privateKey: "MIIEvQIBADAN",
  });
  expect(failures).toEqual([{ property: "", reason: "privateKey: cannot read [secret]" }]);
  expect(wireFailures([{ property: "", reason: "this host lacks qemu" }], {})).toEqual([
    { property: "", reason: "this host lacks qemu" },
  ]);
});
