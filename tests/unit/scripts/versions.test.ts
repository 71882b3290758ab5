import { expect, test } from "@jest/globals";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const versions = import("../../../scripts/setup/versions.mjs");
const node = import("../../../scripts/setup/node.mjs");
const root = join(__dirname, "..", "..", "..");
const text = (...path: string[]) => readFileSync(join(root, ...path), "utf8");

test.each([
  ["v22.23.3", [22, 23, 3]],
  ["go version go1.26.8 linux/amd64", [1, 26, 8]],
  ["v3.255.0-dev.1", [3, 255, 0]],
  ["1.21", [1, 21, 0]],
  ["", undefined],
  ["not a version", undefined],
])("the version in %j is %j", async (said, version) => {
  expect((await versions).parseVersion(said)).toEqual(version);
});

test.each([
  ["22.12.0", "22.12.0", true],
  ["v22.9.9", "22.12.0", false],
  ["v24.0.0", "22.12.0", true],
  ["go1.25.10", "1.25.11", false],
  ["v3.216.0", "3.216.0", true],
  ["v2.999.0", "3.216.0", false],
  ["", "1.0.0", false],
])("%j is at least %j: %j", async (said, least, answer) => {
  expect((await versions).isAtLeast(said, least)).toBe(answer);
});

test("the versions that are written down in several places agree", async () => {
  const { devDependencies, engines } = JSON.parse(text("package.json")) as Record<string, Record<string, string>>;
  const pulumi = devDependencies?.["pulumi"] ?? "";
  const engine = text("setup", "pulumi", "engine", "go.mod");
  expect(devDependencies?.["@pulumi/pulumi"]).toBe(pulumi); // the engine and the SDK speak one protocol
  expect(engine).toContain(`github.com/pulumi/pulumi/pkg/v3 v${pulumi} `);
  expect(engine).toContain(`github.com/pulumi/pulumi/sdk/v3 v${pulumi} `);
  expect(`>=${(await node).OLDEST_NODE.replace(/\.0$/, "")}`).toBe(engines?.["node"]);
});
