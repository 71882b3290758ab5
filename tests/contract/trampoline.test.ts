import { expect, test } from "@jest/globals";
import * as pulumi from "@pulumi/pulumi";
import { trampoline } from "../../sdk/dist/sdk/trampoline";

test("the text that lands in users' state files never changes", async () => {
  const provider = trampoline("VM");
  const { text } = await pulumi.runtime.serializeFunction(() => provider, { allowSecrets: true });
  expect(text).toMatchSnapshot();
});
