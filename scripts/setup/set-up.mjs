import { join } from "node:path";
import { Failure } from "../terminal/failure.mjs";
import { duration, say, step } from "../terminal/say.mjs";
import { claimRoot } from "./as-root.mjs";
import { openHost } from "./host.mjs";
import { STEPS } from "./steps.mjs";
import { inTurn } from "./turn.mjs";

/**
 * Makes all that is missing, and says so before it begins. Quick when nothing is. Two in one clone take turns.
 *
 * @param {readonly import("./steps.mjs").Step[]} [steps] What to do, in order.
 * @returns {Promise<import("./host.mjs").Host>} Where programs are to be started from now on.
 * @throws {Failure} When something cannot be made.
 */
export async function setUp(steps = STEPS) {
  const host = openHost();
  const onWait = (/** @type {string} */ pid) => say(`set-up: waiting for that of process ${pid}, in the same clone`);
  return inTurn(join(host.root, ".set-up.lock"), onWait, () => makeAll(host, steps));
}

/**
 * @param {import("./host.mjs").Host} host What to change.
 * @param {readonly import("./steps.mjs").Step[]} steps What to do, in order.
 * @returns {Promise<import("./host.mjs").Host>} The same.
 */
async function makeAll(host, steps) {
  const started = performance.now();
  let isChanged = await announce(host, steps);
  for (const { title, missing, install, use } of steps) {
    if ((await missing(host)) !== undefined) {
      isChanged = true;
      await step(`set-up: ${title}`, (note) => install(host, note));
      const left = await missing(host);
      if (left !== undefined) throw new Failure(`${title}: still missing after the set-up: ${left.join(", ")}.`);
    }
    await use?.(host);
  }
  say(`set-up: ${isChanged ? "done" : "nothing missing"} (${duration(performance.now() - started)})`);
  return host;
}

/**
 * Says what is missing, and claims root's rights where they are needed: once, and before anything takes its time.
 *
 * @param {import("./host.mjs").Host} host What to look at.
 * @param {readonly import("./steps.mjs").Step[]} steps What may be missing.
 * @returns {Promise<boolean>} Whether anything is.
 */
async function announce(host, steps) {
  const lacking = [];
  for (const step of steps) {
    const what = await step.missing(host);
    if (what !== undefined) lacking.push({ ...step, what });
  }
  if (lacking.length === 0) return false;
  say("set-up: missing, and made now:");
  for (const { title, what } of lacking) say(`  ${title}: ${what.join(", ")}`);
  const commands = lacking.map(({ asRoot }) => asRoot?.(host)).filter((command) => command !== undefined);
  if (commands.length > 0) await claimRoot(host, commands.join("; "));
  return true;
}
