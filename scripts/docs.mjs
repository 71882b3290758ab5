// `npm run docs`: writes docs/reference.md and docs/cli.md. With --check it only says whether they are current.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { format, resolveConfig } from "prettier";
import { manual } from "./cli/manual.mjs";
import { Failure, main } from "./terminal/failure.mjs";
import { readKinds } from "./types/kinds.mjs";
import { reference } from "./types/reference.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));

/** The command's own definitions, as `npm run build` has compiled them. */
function commandManual() {
  const built = createRequire(join(root, "sdk", "dist", "cli", "main.js"));
  const { mayfly } = built("./mayfly.js");
  const { examplesOf } = built("./verb.js");
  const { EXIT_CODES: exitCodes } = built("./exit-codes.js");
  const { FROM_BCVK: fromBcvk } = built("./bcvk.js");
  return manual({ mayfly: mayfly(), examplesOf, exitCodes, fromBcvk });
}

const PAGES = [
  { name: "reference.md", render: () => reference(readKinds(root)), source: "the doc comments" },
  { name: "cli.md", render: commandManual, source: "the command's help (after `npm run build`)" },
];

await main(async () => {
  for (const { name, render, source } of PAGES) {
    const file = join(root, "docs", name);
    const text = await format(render(), { ...(await resolveConfig(file)), filepath: file });
    if (process.argv.includes("--check")) {
      if (text !== readFileSync(file, "utf8"))
        throw new Failure(`docs/${name} does not say what ${source} say.`, { remedy: "npm run docs" });
      continue;
    }
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  return 0;
});
