// `npm stop`: takes down what `npm start` brought up. Succeeds when there is nothing.
import { change, hasStack, openStack, removeStack } from "./quickstart/stack.mjs";
import { openHost } from "./setup/host.mjs";
import { setUp } from "./setup/set-up.mjs";
import { main } from "./terminal/failure.mjs";
import { duration, say } from "./terminal/say.mjs";

await main(async () => {
  if (hasStack(openHost()) === false) {
    say("Nothing to stop: the quickstart has no stack.");
    return 0;
  }
  const host = await setUp();
  await openStack(host); // made for a moment when there is none: a backend of the user's own tells no other way
  const code = await change(host, "destroy");
  if (code !== 0) return code;
  await removeStack(host);
  say(`\nGone after ${duration(performance.now())}.`);
  return 0;
});
