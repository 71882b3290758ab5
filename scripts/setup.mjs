// `npm run setup`: all that Mayfly needs on this machine. Runs in a fresh clone, on the system's Node, without packages.
import { setUp } from "./setup/set-up.mjs";
import { main } from "./terminal/failure.mjs";

await main(async () => {
  await setUp();
  return 0;
});
