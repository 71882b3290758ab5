import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { chmodSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { furnish } from "../../support/folders";

const stack = import("../../../scripts/quickstart/stack.mjs");

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "mayfly-unit-"));
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

/** What Pulumi is told by its environment, with that in the user's. */
async function seenByPulumi(environment: Record<string, string>): Promise<string[]> {
  furnish(root, { "bin/pulumi": `#!/bin/sh\nenv > "${root}/seen"\n` });
  chmodSync(join(root, "bin", "pulumi"), 0o755);
  const env = { ...environment, PATH: `${join(root, "bin")}:/usr/bin:/bin` };
  await (await stack).openStack({ root, home: join(root, "data"), env });
  const unsaid = ["PULUMI_SKIP_UPDATE_CHECK=1", "PULUMI_SUPPRESS_NEO_LINK=true"];
  const lines = readFileSync(join(root, "seen"), "utf8").split("\n");
  return lines.filter((line) => line.startsWith("PULUMI_") && !unsaid.includes(line)).sort();
}

test.each([
  {},
  { PULUMI_BACKEND_URL: "", PULUMI_CONFIG_PASSPHRASE: "of another stack" },
  { PULUMI_CONFIG_PASSPHRASE_FILE: "/of/another/stack" },
  { PULUMI_DIY_BACKEND_GZIP: "true", PULUMI_SELF_MANAGED_STATE_LEGACY_LAYOUT: "1" },
])("in our own folder files are as ever, and the passphrase is empty, with %j too", async (environment) => {
  expect(await seenByPulumi(environment)).toEqual([
    `PULUMI_BACKEND_URL=file://${join(root, "data", "stacks")}`,
    "PULUMI_CONFIG_PASSPHRASE=",
  ]);
});

test("a folder whose path means something in a URL is one all the same", async () => {
  root = join(root, "50% #1?");
  const [url = ""] = await seenByPulumi({});
  expect(fileURLToPath(url.replace("PULUMI_BACKEND_URL=", ""))).toBe(join(root, "data", "stacks"));
  root = dirname(root);
});

test("with a backend of the user's own, all is the user's own", async () => {
  const environment = {
    PULUMI_BACKEND_URL: "s3://state",
    PULUMI_CONFIG_PASSPHRASE_FILE: "/mine",
    PULUMI_DIY_BACKEND_GZIP: "true",
  };
  expect(await seenByPulumi(environment)).toEqual(Object.entries(environment).map((pair) => pair.join("=")));
});

test.each([
  ["stacks/mayfly-quickstart/dev.json", true],
  ["stacks/mayfly-quickstart/dev.json.gz", true],
  ["stacks/mayfly-quickstart/dev.json.zst", true],
  ["stacks/dev.json", true],
  ["stacks/mayfly-quickstart/dev.json.bak", false],
  ["stacks/another/dev.json", false],
])("with the file %s there is a stack: %j", async (file, isThere) => {
  furnish(join(root, "stacks", ".pulumi"), { [file]: "" });
  expect((await stack).hasStack({ root, home: root, env: {} })).toBe(isThere);
});
