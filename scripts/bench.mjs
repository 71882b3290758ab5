// `npm run bench`: set-up, then all measurements in one run. Takes some twenty minutes; nothing else should run meanwhile.
import { setUp } from "./setup/set-up.mjs";
import { main } from "./terminal/failure.mjs";
import { clearDeadHomes } from "./test/dead-homes.mjs";
import { runGroup } from "./test/run-group.mjs";

const DEADLINE_MINUTES = 60;

await main(async () => {
  const host = await setUp();
  const env = { ...host.env, TS_NODE_PROJECT: "bench/tsconfig.json", TS_NODE_TRANSPILE_ONLY: "true" };
  const options = { env, cwd: host.root, deadlineMs: DEADLINE_MINUTES * 60_000 };
  await clearDeadHomes(host); // VMs of a run that was killed would be measured with it
  const { code } = await runGroup(
    "node",
    ["--require", "ts-node/register", "bench/main.ts", ...process.argv.slice(2)],
    options,
  );
  await clearDeadHomes(host);
  return code;
});
