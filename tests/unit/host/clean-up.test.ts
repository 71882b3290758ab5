import { expect, test } from "@jest/globals";
import { MayflyError } from "../../../provider/errors";
import { orCleanUp, thenCleanUp } from "../../../provider/host/clean-up";
import { failureOf } from "../../support/context";

const bootFailed = new MayflyError("BOOT_FAILED", "the guest cannot boot", { evidence: "panic", remedy: "look at it" });
const left = { what: "the machine web-1", remedy: "mayfly prune" };
const fails = (error: Error) => () => Promise.reject(error);
const late = async (): Promise<never> => {
  const signal = AbortSignal.abort(new DOMException("The operation was aborted due to timeout", "TimeoutError"));
  return Promise.reject(signal.reason as Error);
};

test.each([orCleanUp, thenCleanUp])("%p: what failed first is told of, and then what was left behind", async (run) => {
  const error = await failureOf(run(fails(bootFailed), late, left));
  expect(error).toMatchObject({ code: "BOOT_FAILED", evidence: "panic", cause: bootFailed });
  expect(error.message).toBe(
    "the guest cannot boot\npanic\nTo fix: look at it\n" +
      "the machine web-1 was left behind (its removal took too long): mayfly prune\n" +
      "More on this: BOOT_FAILED in docs/errors.md of pulumi-mayfly",
  );
});

test.each([orCleanUp, thenCleanUp])("%p: a clean-up that succeeds changes nothing of the error", async (run) => {
  let cleaned = 0;
  const cleanUp = () => Promise.resolve((cleaned += 1));
  expect(await failureOf(run(fails(bootFailed), cleanUp, left))).toBe(bootFailed);
  expect(cleaned).toBe(1);
});

test("an error that is none of ours stays the very same", async () => {
  const error = new Error("aborted");
  expect(await failureOf(orCleanUp(fails(error), late, left))).toBe(error);
});

test("work that succeeds is cleaned up behind once, or not at all", async () => {
  let cleaned = 0;
  const cleanUp = () => Promise.resolve((cleaned += 1));
  expect(await orCleanUp(() => Promise.resolve("made"), cleanUp, left)).toBe("made");
  expect(cleaned).toBe(0);
  expect(await thenCleanUp(() => Promise.resolve("made"), cleanUp, left)).toBe("made");
  expect(cleaned).toBe(1);
  const error = await failureOf(thenCleanUp(() => Promise.resolve("made"), late, left));
  expect(error).toMatchObject({ code: "TOOL_FAILED", evidence: "its removal took too long", remedy: "mayfly prune" });
});
