import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "@jest/globals";
import { parseTimeout, withDeadline, type Call } from "../../../provider/engine/deadline";
import { IncompleteError, MayflyError } from "../../../provider/errors";

const call: Call = { kind: "VM", name: "web", verb: "create" };
const never = new AbortController().signal;
const SUMMARY = 'create of VM "web" was not done within 0.05 s';

/** Ends when its signal fires, and says so. */
const untilAborted = async (signal: AbortSignal, error: () => Error) =>
  new Promise<never>((_resolve, reject) => {
    signal.addEventListener("abort", () => {
      reject(error());
    });
  });

/** What the call fails with. */
async function failureOf(work: (signal: AbortSignal) => Promise<unknown>, seconds = 0.05, ended = never) {
  return withDeadline(call, seconds, ended, work, 50).then(
    () => undefined,
    (error: unknown) => error,
  );
}

test.each<[unknown, number | undefined]>([
  ["5m", 300],
  ["90s", 90],
  ["1h30m", 5_400],
  ["1d", 86_400],
  ["1.5h", 5_400],
  ["300ms", 0.3],
  ["0s", undefined],
  ["5", undefined],
  ["soon", undefined],
  [5, undefined],
  [undefined, undefined],
])("%p as a timeout is %p seconds", (text, seconds) => {
  expect(parseTimeout(text)).toBe(seconds);
});

describe("work with a deadline", () => {
  test("that ends in time", async () => {
    expect(await withDeadline(call, 1, never, () => Promise.resolve("done"))).toBe("done");
  });

  test("that has longer than a timer of Node's can wait", async () => {
    const work = async (signal: AbortSignal) => {
      await sleep(20); // Node would fire after one
      return signal.aborted;
    };
    expect(await withDeadline(call, 1_000 * 3_600, never, work)).toBe(false);
  });

  test("that fails in time, fails as it did", async () => {
    const own = new Error("broken");
    expect(await failureOf(() => Promise.reject(own))).toBe(own);
  });

  test("that is late has its own words as evidence", async () => {
    const own = new MayflyError("BOOT_TIMEOUT", "no login", { evidence: "panic", remedy: "look" });
    const error = await failureOf((signal) => untilAborted(signal, () => own));
    expect(error).toMatchObject({ code: "TIMEOUT", cause: own });
    expect((error as Error).message).toBe(
      `${SUMMARY}\nno login\npanic\nTo fix: look\nTo fix: if it only needs longer, give the resource the option customTimeouts: { create: "2m" }\nMore on this: TIMEOUT in docs/errors.md of pulumi-mayfly`,
    );
  });

  test("that is late, and says so itself with what it has left behind, says it once", async () => {
    const left = (reason: MayflyError) => {
      const { code, message, remedy } = reason;
      const more = `${remedy}\nthe machine web-1 was left behind: mayfly prune`;
      return new MayflyError(code, message.split("\n")[0] ?? "", { remedy: more, cause: reason });
    };
    const error = await failureOf((signal) => untilAborted(signal, () => left(signal.reason as MayflyError)));
    expect((error as Error).message).toBe(
      `${SUMMARY}\nTo fix: if it only needs longer, give the resource the option customTimeouts: { create: "2m" }\nthe machine web-1 was left behind: mayfly prune\nMore on this: TIMEOUT in docs/errors.md of pulumi-mayfly`,
    );
  });

  test("that is late and has nothing to say", async () => {
    const abort = () => new DOMException("This operation was aborted", "AbortError");
    const error = (await failureOf((signal) => untilAborted(signal, abort))) as Error;
    expect(error.message).toMatch(new RegExp(`^${SUMMARY}\nTo fix: `));
    expect(await failureOf((signal) => untilAborted(signal, () => signal.reason as Error))).toMatchObject({
      message: error.message,
    });
  });

  test("that is late and leaves something keeps it", async () => {
    const error = await failureOf((signal) =>
      untilAborted(signal, () => new IncompleteError({ half: true }, new Error("no login"))),
    );
    expect(error).toBeInstanceOf(IncompleteError);
    expect(error).toMatchObject({ state: { half: true }, message: expect.stringMatching(`^${SUMMARY}\nno login\n`) });
  });

  test("that never ends is left behind", async () => {
    expect(await failureOf(() => new Promise(() => undefined))).toMatchObject({ code: "TIMEOUT" });
  });

  test("that comes to a good end behind its deadline is good", async () => {
    const late = async (signal: AbortSignal) => untilAborted(signal, () => new Error()).catch(() => "done");
    expect(await withDeadline(call, 0.05, never, late)).toBe("done");
  });

  test("that must end for another reason", async () => {
    const reason = new MayflyError("CANCELLED", "Pulumi ended the run", { remedy: "pulumi up" });
    const error = await failureOf(() => new Promise(() => undefined), 60, AbortSignal.abort(reason));
    expect(error).toBe(reason);
  });
});
