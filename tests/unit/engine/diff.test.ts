import { expect, test } from "@jest/globals";
import { difference } from "../../../provider/engine/diff";
import { thing } from "./things";

const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const old = { name: "a", size: 1, parts: [{ path: "/a", mode: "ro" }], labels: {}, parent: "p", retries: 3 };

test.each<[string, object, boolean, string[]]>([
  ["nothing", {}, false, []],
  ["what stays", { size: 2 }, true, []],
  ["what needs a new thing", { name: "b" }, true, ["name"]],
  ["deep in what needs a new thing", { parts: [{ path: "/b", mode: "ro" }] }, true, ["parts"]],
  ["away with an optional one", { parent: undefined }, true, ["parent"]],
  ["what is ignored", { retries: 9 }, false, []],
  ["what is ignored, to an unknown", { retries: UNKNOWN }, false, []],
  ["to an unknown that may be the same", { name: UNKNOWN }, true, []],
  ["to an unknown other thing", { parent: UNKNOWN }, true, ["parent"]],
  ["in part to an unknown, the rest is the same", { parts: [{ path: UNKNOWN, mode: "ro" }] }, true, []],
  ["in part to an unknown, defaults left out", { parts: [{ path: UNKNOWN }] }, true, []],
  ["in part to an unknown, the rest differs", { parts: [{ path: UNKNOWN, mode: "rw" }] }, true, ["parts"]],
])("a change of %s", (_what, change, changes, replaces) => {
  const found = difference(thing(), old, { ...old, ...change });
  expect(found).toEqual({ changes, replaces, deleteBeforeReplace: false });
});

test("of a name that only counts while it is unknown, a known one is no change, nor is one that a state lacks", () => {
  const handler = thing({ onlyWhileUnknown: ["parent"] });
  expect(difference(handler, old, { ...old, parent: "q" })).toMatchObject({ changes: false });
  expect(difference(handler, { ...old, parent: undefined }, old)).toMatchObject({ changes: false });
  expect(difference(handler, old, { ...old, parent: UNKNOWN })).toMatchObject({ changes: true, replaces: ["parent"] });
});

test("a field that a new version brings, with its default, is no change", () => {
  const { labels, ...before } = old;
  expect(labels).toEqual({});
  expect(difference(thing(), before, old)).toMatchObject({ changes: false });
});

test("a state that today's checks would refuse is compared as it is", () => {
  expect(difference(thing(), { ...old, size: "small" }, old)).toMatchObject({ changes: true, replaces: [] });
});

test("the old thing goes first where a new one must have what it has, as far as that is known", () => {
  const seen: object[] = [];
  const handler = thing({
    deleteFirst: (before, after) => {
      seen.push(before, after);
      return true;
    },
  });
  const first = (change: object, before: object = old) =>
    difference(handler, { ...before }, { ...old, ...change }).deleteBeforeReplace;
  expect(first({ size: 2 })).toBe(false); // in place
  expect(first({ name: "b", parts: UNKNOWN })).toBe(true);
  expect(seen).toEqual([old, { ...old, name: "b" }]);
  expect(first({ parent: UNKNOWN })).toBe(true);
  expect(seen.at(-1)).toEqual({ ...old, parent: UNKNOWN }); // a new one, and so not the one that it was
  expect(first({ name: "b" }, { ...old, size: "small" })).toBe(false); // nobody knows what it has
});
