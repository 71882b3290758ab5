#!/usr/bin/env node
import { nodeProblem } from "../provider/node-version";
import { EXIT } from "./exit-codes";
import { endWithOutput, print } from "./output";
import { packageVersion } from "./version";

endWithOutput(EXIT);
const problem = nodeProblem();

/** Without loading anything: what asks for versions asks often. */
if (process.argv.length === 3 && /^(?:-V|--version)$/.test(process.argv[2] ?? "")) print(packageVersion());
else if (problem !== undefined) {
  process.stderr.write(`error: ${problem}\n  to fix: put a newer node on PATH\n`);
  process.exitCode = 1;
} else void import("./mayfly.js").then(async ({ main }) => main(process.argv));
