import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The package's version. Its manifest is above the compiled files, and beside the folder of the source. */
export function packageVersion(): string {
  const places = [join(__dirname, "..", "..", "package.json"), join(__dirname, "..", "sdk", "package.json")];
  const manifest = places.find((path) => existsSync(path) && readFileSync(path, "utf8").includes('"pulumi-mayfly"'));
  if (manifest === undefined) throw new Error("the package has no package.json: install it anew");
  return (JSON.parse(readFileSync(manifest, "utf8")) as { readonly version: string }).version;
}
