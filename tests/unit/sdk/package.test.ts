import { expect, test } from "@jest/globals";
import { readFileSync, readdirSync } from "node:fs";
import { isBuiltin } from "node:module";
import { join } from "node:path";

const root = join(__dirname, "..", "..", "..");

/** What is compiled into the published package; see tsconfig.json. */
function sources(): string[] {
  const below = (folder: string) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map((name) => join(folder, name));
  const files = [
    ...below("provider"),
    ...below("cli"),
    ...readdirSync(join(root, "sdk")).map((name) => join("sdk", name)),
  ];
  return files.filter((name) => name.endsWith(".ts"));
}

/** Packages that a source imports, types included: those are in the published declarations. */
function packagesIn(file: string): string[] {
  const imports = readFileSync(join(root, file), "utf8").matchAll(/(?:\bfrom |\bimport\(|\brequire\()"([^".][^"]*)"/g);
  const modules = [...imports].map(([, name = ""]) => name).filter((name) => !isBuiltin(name));
  return modules.map((name) =>
    name
      .split("/")
      .slice(0, name.startsWith("@") ? 2 : 1)
      .join("/"),
  );
}

// knip cannot see this: the provider's sources lie beside the package that ships them.
test("the published package depends on exactly what its sources import", () => {
  const { name, dependencies } = JSON.parse(readFileSync(join(root, "sdk", "package.json"), "utf8")) as {
    name: string;
    dependencies: Record<string, string>;
  };
  const imported = new Set(sources().flatMap(packagesIn));
  imported.delete(name); // the text in states finds the package itself by its name
  expect([...imported].sort()).toEqual(Object.keys(dependencies).sort());
});
