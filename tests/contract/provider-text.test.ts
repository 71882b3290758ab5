import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { providerText } from "../../sdk/dynamic-resource";
import { Plugin } from "./support/plugin";
import { sentBy, sentByFirst } from "./support/provider-text";

// If this fails, what new stacks keep has changed. Old stacks keep the old text, and it has to go on working.
test("the text that lands in users' state files never changes", () => {
  expect(providerText("VM")).toBe('exports.handler = () => require("pulumi-mayfly/runtime").provider("VM");');
});

describe("what state files hold", () => {
  let plugin: Plugin;
  beforeAll(async () => {
    plugin = await Plugin.start();
  });
  afterAll(async () => {
    await plugin[Symbol.asyncDispose]();
  });

  test.each([
    ["now", sentBy],
    ["of the first stacks, which Pulumi had serialised", sentByFirst],
  ])("the text %s is run by Pulumi's own process, verb by verb", async (_, sent) => {
    const { inputs } = await plugin.check({ ...sent("SshKey") });
    const { id, outs } = await plugin.create(inputs);
    expect(await plugin.diff(id, outs, inputs)).toMatchObject({ changes: false });
    expect((await plugin.read(id, outs)).id).toBe(id);
    await plugin.delete(id, outs);
  });

  test("a state of the first stacks shows no change when a program sends the text of now", async () => {
    const { inputs } = await plugin.check({ ...sentByFirst("SshKey") });
    const { id, outs } = await plugin.create(inputs);
    const { inputs: next } = await plugin.check({ ...sentBy("SshKey") });
    expect(await plugin.diff(id, outs, next)).toMatchObject({ changes: false });
    await plugin.delete(id, outs);
  });
});
