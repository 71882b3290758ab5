import { expect, test } from "@jest/globals";
import * as pulumi from "@pulumi/pulumi";
import { readFileSync } from "node:fs";
import { trampoline } from "../../sdk/dist/sdk/trampoline";
import { GOLDEN } from "./support/provider-text";

// If this fails, the trampoline or TypeScript's target was changed. Old stacks keep the old text, and it has to go on
// working; new text would show as a change of every resource of every user (`~__provider`).
test("the text that lands in users' state files never changes", async () => {
  const provider = trampoline("VM");
  const { text } = await pulumi.runtime.serializeFunction(() => provider, { allowSecrets: true });
  expect(text).toBe(readFileSync(GOLDEN, "utf8"));
});
