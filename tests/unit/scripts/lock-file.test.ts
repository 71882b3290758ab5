import { expect, test } from "@jest/globals";
import { readFileSync } from "node:fs";
import { join } from "node:path";

interface Locked {
  readonly link?: boolean;
  readonly integrity?: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const text = readFileSync(join(__dirname, "..", "..", "..", "package-lock.json"), "utf8");
const { packages } = JSON.parse(text) as { packages: Readonly<Record<string, Locked>> };

// npm leaves out of the lock what it could not fetch for other systems, and `npm ci` then refuses the whole lock, but
// only where nothing is installed yet: in a fresh clone.
test("package-lock.json names every optional package", () => {
  const wanted = Object.values(packages).flatMap(({ optionalDependencies = {} }) => Object.keys(optionalDependencies));
  expect(wanted.filter((name) => !Object.keys(packages).some((path) => path.endsWith(`node_modules/${name}`)))).toEqual(
    [],
  );
});

test("package-lock.json proves every package and names no server", () => {
  const fetched = Object.entries(packages).filter(([path, { link }]) => path.includes("node_modules/") && !link);
  expect(fetched.filter(([, { integrity }]) => integrity === undefined)).toEqual([]);
  expect(text).not.toMatch(/"resolved": "https?:/);
});
