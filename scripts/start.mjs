// `npm start`: from a fresh clone to the output of a command in a new VM.
import { openStack, outputs, runPulumi } from "./quickstart/stack.mjs";
import { setUp } from "./setup/set-up.mjs";
import { main } from "./terminal/failure.mjs";
import { duration, say } from "./terminal/say.mjs";

await main(async () => {
  const host = await setUp();
  await openStack(host);
  // No preview: it would be answered with yes. Pulumi's own list of outputs would come right before ours.
  const up = ["up", "--yes", "--skip-preview", "--suppress-outputs", "--suppress-permalink"];
  const code = await runPulumi(host, up);
  if (code !== 0) {
    say("\nThe quickstart is not up. `npm start` tries again from here; `npm stop` removes what there is.");
    return code;
  }
  const shown = await outputs(host);
  say(`\n${shown.get("report")?.trimEnd() ?? "(the program exports no `report`)"}`);
  say(`\nUp after ${duration(performance.now())}, set-up included. What next:`);
  say(`  connect:  ${shown.get("connect") ?? "(the program exports no `connect`)"}`);
  say(`  look:     ${shown.get("look") ?? "(the program exports no `look`)"}`);
  say(`  destroy:  npm stop`);
  return 0;
});
