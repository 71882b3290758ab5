// `npm start`: from a fresh clone to the output of a command in a new VM.
import { openStack, outputs, up } from "./quickstart/stack.mjs";
import { setUp } from "./setup/set-up.mjs";
import { main } from "./terminal/failure.mjs";
import { duration, say } from "./terminal/say.mjs";

await main(async () => {
  const host = await setUp();
  await openStack(host);
  const code = await up(host);
  if (code !== 0) {
    say("\nThe quickstart is not up. `npm start` tries again from here; `npm stop` removes what there is.");
    return code;
  }
  const shown = await outputs(host);
  say(`\n${shown.get("report")?.trimEnd() ?? "(the program exports no `report`)"}`);
  say(`\nUp after ${duration(performance.now())}, set-up included${bootTime(shown)}. What next:`);
  say(`  connect:  ${shown.get("connect") ?? "(the program exports no `connect`)"}`);
  say(`  look:     ${shown.get("look") ?? "(the program exports no `look`)"}`);
  say(`  destroy:  npm stop`);
  return 0;
});

/** @param {ReadonlyMap<string, string>} shown The stack's outputs; without these two where the program was changed. */
function bootTime(shown) {
  const [seconds, accelerator] = [shown.get("bootSeconds"), shown.get("accelerator")];
  if (seconds === undefined || accelerator === undefined) return "";
  return `; the VM booted in ${duration(Number(seconds) * 1_000)} (${accelerator})`;
}
