// `npm run docs`: writes docs/reference.md. With --check it only says whether that is current.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { format, resolveConfig } from "prettier";
import { Failure, main } from "./terminal/failure.mjs";
import { readKinds } from "./types/kinds.mjs";
import { reference } from "./types/reference.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const file = join(root, "docs", "reference.md");

await main(async () => {
  const text = await format(reference(readKinds(root)), { ...(await resolveConfig(file)), filepath: file });
  if (process.argv.includes("--check")) {
    if (text === readFileSync(file, "utf8")) return 0;
    throw new Failure("docs/reference.md does not say what the doc comments say.", { remedy: "npm run docs" });
  }
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  return 0;
});
