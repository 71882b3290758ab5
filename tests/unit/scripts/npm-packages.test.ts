import { expect, test } from "@jest/globals";

const packages = import("../../../scripts/setup/npm-packages.mjs");

const locked = { version: "30.5.2", integrity: "sha512-a" };

test.each([
  ["the same", { "node_modules/jest": locked }, { "node_modules/jest": locked }, 0],
  ["nothing is installed", { "node_modules/jest": locked }, {}, 1],
  ["another version", { "node_modules/jest": locked }, { "node_modules/jest": { ...locked, version: "30.0.0" } }, 1],
  [
    "another content",
    { "node_modules/jest": locked },
    { "node_modules/jest": { ...locked, integrity: "sha512-b" } },
    1,
  ],
  ["the clone's own packages", { "": {}, sdk: { version: "0.1.0" } }, {}, 0],
  ["for another processor", { "node_modules/x-arm64": { version: "1.0.0", optional: true } }, {}, 0],
  ["a workspace that is not linked", { "node_modules/pulumi-mayfly": { link: true } }, {}, 1],
])("packages as locked: %s", async (_case, wanted, installed, count) => {
  expect((await packages).differences(wanted, installed)).toBe(count);
});
