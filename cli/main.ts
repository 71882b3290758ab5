#!/usr/bin/env node
import { EXIT } from "./exit-codes";
import { endWithOutput, print } from "./output";
import { packageVersion } from "./version";

const OLDEST_NODE = 22; // older ones can't load what we stand on, and say so in words that help nobody

endWithOutput(EXIT);

/** Without loading anything: what asks for versions asks often. */
if (process.argv.length === 3 && /^(?:-V|--version)$/.test(process.argv[2] ?? "")) print(packageVersion());
else if (Number.parseInt(process.versions.node) < OLDEST_NODE) {
  process.stderr.write(`error: this is Node ${process.versions.node}\n  to fix: use Node 22.12 or newer\n`);
  process.exitCode = 1;
} else void import("./mayfly.js").then(async ({ main }) => main(process.argv));
