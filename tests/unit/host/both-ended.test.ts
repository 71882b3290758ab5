import { expect, test } from "@jest/globals";
import { allEnded } from "../../../provider/host/both-ended";
import { failureOf } from "../../support/context";

test("a failure is told of once all others have ended, the first of them", async () => {
  const ended: string[] = [];
  const work = async (name: string, turns: number, failure?: Error) => {
    for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
    ended.push(name);
    if (failure !== undefined) throw failure;
  };
  const all = allEnded([work("good", 9), work("late", 6, new Error("late")), work("early", 1, new Error("early"))]);
  expect((await failureOf(all)).message).toBe("late");
  expect(ended).toEqual(["early", "late", "good"]);
  await allEnded([work("good", 1), work("too", 2)]);
});
