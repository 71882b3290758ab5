import { say } from "../terminal/say.mjs";
import { askedToEnd } from "../terminal/signals.mjs";
import { runStage } from "./run-stage.mjs";
import { inTurn } from "./stages.mjs";
import { summary } from "./tally.mjs";

/** @typedef {import("./stages.mjs").Stage} Stage */

/**
 * Runs stages and says what came out of them. A signal ends those that run, and no other begins.
 *
 * @param {import("../setup/host.mjs").Host} host Where programs are started.
 * @param {readonly Stage[]} stages What to run.
 * @param {readonly string[]} forJest More arguments for jest.
 * @returns {Promise<boolean>} Whether all went well.
 */
export async function runStages(host, stages, forJest) {
  const along = async (/** @type {readonly Stage[]} */ lane) => {
    const done = [];
    for (const stage of lane) {
      if (askedToEnd() !== undefined) break;
      say(`\n── ${stage.name}`);
      done.push(await runStage(host, stage, forJest));
    }
    return done;
  };
  /** @type {Awaited<ReturnType<typeof runStage>>[]} */
  const tallies = [];
  for (const lanes of inTurn(stages)) tallies.push(...(await Promise.all(lanes.map(along))).flat());
  const signal = askedToEnd();
  const others = stages.filter(({ name }) => !tallies.some(({ stage }) => stage === name)).map(({ name }) => name);
  if (signal !== undefined) say(`\nended by ${signal}${others.length > 0 ? `; not run: ${others.join(", ")}` : ""}`);
  for (const line of summary(tallies)) say(line);
  return signal === undefined && tallies.every(({ failures }) => failures.length === 0);
}
