#!/usr/bin/env node
import { print } from "./output";
import { packageVersion } from "./version";

/** Without loading anything: what asks for versions asks often. */
if (process.argv.length === 3 && /^(?:-V|--version)$/.test(process.argv[2] ?? "")) print(packageVersion());
else void import("./mayfly.js").then(async ({ main }) => main(process.argv));
