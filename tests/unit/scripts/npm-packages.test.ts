import { expect, test } from "@jest/globals";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { furnish } from "../../support/folders";

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

test.each([
  ["NODE_ENV=production", { NODE_ENV: "production" }],
  ["omit of both", { npm_config_omit: "dev\n\noptional" }],
])("all packages are installed with %s", async (_case, environment) => {
  const root = mkdtempSync(join(tmpdir(), "mayfly-unit-"));
  const own = { name: "clone", devDependencies: { dev: "file:dev" }, optionalDependencies: { opt: "file:opt" } };
  const lock = {
    ...{ name: "clone", lockfileVersion: 3, requires: true },
    packages: {
      "": own,
      dev: { version: "1.0.0", dev: true },
      opt: { version: "1.0.0", optional: true },
      "node_modules/dev": { resolved: "dev", link: true },
      "node_modules/opt": { resolved: "opt", link: true },
    },
  };
  try {
    const files = { "package.json": own, "package-lock.json": lock };
    furnish(root, Object.fromEntries(Object.entries(files).map(([name, value]) => [name, JSON.stringify(value)])));
    for (const name of ["dev", "opt"])
      furnish(join(root, name), { "package.json": JSON.stringify({ name, version: "1.0.0" }) });
    const env = { ...process.env, ...environment };
    await (await packages).npmPackages.install({ root, home: "", env }, () => undefined);
    expect(["dev", "opt"].filter((name) => existsSync(join(root, "node_modules", name)))).toEqual(["dev", "opt"]);
  } finally {
    rmSync(root, { recursive: true });
  }
});
