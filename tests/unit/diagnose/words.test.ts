import { expect, test } from "@jest/globals";
import type { Owner } from "../../../provider/context";
import { asRoot, wordsFor } from "../../../provider/diagnose/words";
import { identifySelf } from "../../../provider/host/process-identity";
import { canStartAgain } from "../../../provider/machines/record";

/** What is known of the machine's record. */
function sightOf(owner: Partial<Owner>, phase: "committed" | "starting" = "committed") {
  const madeBy = { pid: 1, startTime: "1", bootId: "b" };
  const record = { owner: { project: "", stack: "", resource: "web", ...owner }, phase, createdAt: 0, madeBy };
  return { record, canStartAgain: canStartAgain(record) };
}

test("a stack's machine is brought back by pulumi up, the command's own by its commands", () => {
  const bringBack = (owner: Partial<Owner>, phase?: "starting") =>
    wordsFor("web-1", "web", "root", sightOf(owner, phase)).bringBack;
  expect(bringBack({ project: "p", stack: "dev" })).toBe("pulumi up");
  expect(bringBack({})).toBe("mayfly start web"); // what is on its disk stays
  expect(bringBack({ session: identifySelf() })).toMatch(/^mayfly rm web/);
  expect(bringBack({}, "starting")).toMatch(/^mayfly rm web/);
});

test("one that hangs is stopped and started where that keeps its disk; removed only where nothing is lost by it", () => {
  const replace = (owner: Partial<Owner>, phase?: "starting") =>
    wordsFor("web-1", "web", "root", sightOf(owner, phase)).replace;
  expect(replace({})).toBe("mayfly stop web, and mayfly start web");
  expect(replace({ project: "p", stack: "dev" })).toBe("mayfly rm --force web, and pulumi up");
  expect(replace({ session: identifySelf() })).toMatch(/^mayfly rm web/); // goes with its session, and cannot be stopped
  expect(replace({}, "starting")).toMatch(/^mayfly rm web/);
});

test("who is not root does as root what only that may, or else at the console", () => {
  const as = (user: string) => asRoot(wordsFor("web-1", "web", user, sightOf({})), "date -s @5");
  expect(as("root")).toBe("mayfly exec web -- date -s @5");
  expect(as("ann")).toMatch(/^mayfly exec web -- sudo date -s @5; where ann may not: .*mayfly console web/);
});
