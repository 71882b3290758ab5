import { expect, test } from "@jest/globals";
import { ownState, takeApart, toOutputs, wireName } from "../../../provider/engine/state";
import { thing } from "./things";

const SECRET = "4dabf18193072939515e22adb298388d";
const owner = { project: "shop", stack: "dev", resource: "web" };
const handler = thing({ secretOutputs: () => ["key", "size", "absent"] });
const inputs = { name: "a", size: 1, owner, customTimeouts: { create: "5m" } };

test("what is saved comes back as it was", () => {
  const state = { key: "k", size: 7, port: 22, since: undefined, list: [1, undefined] };
  const saved = toOutputs(handler, inputs, state);
  expect(saved).toEqual({
    ...inputs,
    ...{ port: 22, list: [1, null], schemaVersion: 1 }, // what JSON keeps: Pulumi refuses the rest
    key: { [SECRET]: expect.any(String), value: "k" },
    sizeOutput: { [SECRET]: expect.any(String), value: 7 },
  });
  expect(Object.keys(saved)).not.toContain("since");
  expect(takeApart(handler, { ...saved, __provider: "text" })).toEqual({
    inputs: { name: "a", size: 1 },
    state: { key: "k", size: 7, port: 22, list: [1, null] },
    echo: inputs,
    owner,
    customTimeouts: { create: "5m" },
  });
});

test("a state without version or owner can be read", () => {
  expect(takeApart(handler, { name: "a", key: "k" })).toMatchObject({
    inputs: { name: "a" },
    state: { key: "k" },
    owner: { project: "", stack: "", resource: "" },
    customTimeouts: {},
  });
});

test("a state of a newer version is refused", () => {
  expect(() => takeApart(handler, { schemaVersion: 2 })).toThrow(/newer pulumi-mayfly[^]*npm install/);
});

test("an output that has an input's name has a name of its own on the wire", () => {
  expect(wireName(handler, "size")).toBe("sizeOutput");
  expect(wireName(handler, "port")).toBe("port");
});

test("inputs that a handler hands back are not taken for its state", () => {
  const old = takeApart(handler, { name: "a", size: 1, retries: 3, sizeOutput: 7 });
  const returned = { name: "a", retries: 3, size: 1, port: 22 };
  expect(ownState(handler, old, returned)).toEqual({ size: 1, port: 22 }); // `size` is one of its outputs
});
