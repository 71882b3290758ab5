// `npm test`: set-up, then every check and every test. The last line is the sum: `N passed, N failed`.
import { foreignPackages, testPackages } from "./setup/host-packages.mjs";
import { STEPS } from "./setup/steps.mjs";
import { setUp } from "./setup/set-up.mjs";
import { TEST_USER_STEPS } from "./setup/test-user.mjs";
import { main } from "./terminal/failure.mjs";
import { runStages } from "./test/run-stages.mjs";
import { readArguments } from "./test/stages.mjs";

await main(async () => {
  const { stages, forJest } = readArguments(process.argv.slice(2));
  const asRoot = process.getuid?.() === 0 && stages.some(({ hasVMs }) => hasVMs === true);
  const host = await setUp([...STEPS, testPackages, foreignPackages, ...(asRoot ? TEST_USER_STEPS : [])]);
  return (await runStages(host, stages, forJest)) ? 0 : 1;
});
