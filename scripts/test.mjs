// `npm test`: set-up, then every check and every test. The last line is the sum: `N passed, N failed`.
import { foreignPackages, testPackages } from "./setup/host-packages.mjs";
import { STEPS } from "./setup/steps.mjs";
import { setUp } from "./setup/set-up.mjs";
import { TEST_USER_STEPS } from "./setup/test-user.mjs";
import { main } from "./terminal/failure.mjs";
import { say } from "./terminal/say.mjs";
import { runStage } from "./test/run-stage.mjs";
import { inTurn, readArguments } from "./test/stages.mjs";
import { summary } from "./test/tally.mjs";

await main(async () => {
  const { stages, forJest } = readArguments(process.argv.slice(2));
  const asRoot = process.getuid?.() === 0 && stages.some(({ hasVMs }) => hasVMs === true);
  const host = await setUp([...STEPS, testPackages, foreignPackages, ...(asRoot ? TEST_USER_STEPS : [])]);
  const along = async (/** @type {readonly import("./test/stages.mjs").Stage[]} */ lane) => {
    const done = [];
    for (const stage of lane) {
      say(`\n── ${stage.name}`);
      done.push(await runStage(host, stage, forJest));
    }
    return done;
  };
  const tallies = [];
  for (const lanes of inTurn(stages)) tallies.push(...(await Promise.all(lanes.map(along))).flat());
  for (const line of summary(tallies)) say(line);
  return tallies.some(({ failures }) => failures.length > 0) ? 1 : 0;
});
