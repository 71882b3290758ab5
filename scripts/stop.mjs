// `npm stop`: takes down what `npm start` brought up. Succeeds when there is nothing.
import { destroy, hasStack, isElsewhere, openStack } from "./quickstart/stack.mjs";
import { openHost } from "./setup/host.mjs";
import { setUp } from "./setup/set-up.mjs";
import { main } from "./terminal/failure.mjs";
import { duration, say } from "./terminal/say.mjs";

await main(async () => {
  const found = hasStack(openHost());
  if (found === false) {
    say("Nothing to stop: the quickstart has no stack.");
    return 0;
  }
  const host = await setUp();
  // Made for a moment when there is none: a backend of the user's own tells no other way.
  if (found === undefined) await openStack(host);
  const code = await destroy(host);
  if (code === 0) say(`\nGone after ${duration(performance.now())}.`);
  if (isElsewhere(host))
    say(
      "Still there: the quickstart that was started without PULUMI_BACKEND_URL. To stop it:\n  env -u PULUMI_BACKEND_URL npm stop",
    );
  return code;
});
