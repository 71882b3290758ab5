// `npm run guests`: set-up, then each kind of guest in turn; writes docs/guests.md. Takes about half an hour. With names of
// guests, as in `npm run guests -- openrc`: only these, and the other rows of the table stay.
import { foreignPackages, testPackages } from "./setup/host-packages.mjs";
import { setUp } from "./setup/set-up.mjs";
import { STEPS } from "./setup/steps.mjs";
import { main } from "./terminal/failure.mjs";
import { clearDeadHomes } from "./test/dead-homes.mjs";
import { runGroup } from "./test/run-group.mjs";

const DEADLINE_MINUTES = 120;

await main(async () => {
  const host = await setUp([...STEPS, testPackages, foreignPackages]);
  const env = { ...host.env, TS_NODE_PROJECT: "bench/tsconfig.json", TS_NODE_TRANSPILE_ONLY: "true" };
  const options = { env, cwd: host.root, deadlineMs: DEADLINE_MINUTES * 60_000 };
  const program = ["--require", "ts-node/register", "bench/guests/main.ts", ...process.argv.slice(2)];
  const { code } = await runGroup("node", program, options);
  await clearDeadHomes(host);
  return code;
});
