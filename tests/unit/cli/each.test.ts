import { expect, jest, test } from "@jest/globals";
import { eachOf, tellOutcome } from "../../../cli/each";
import { CommandError, tellTrouble } from "../../../cli/trouble";

const never = new AbortController().signal;

function written(work: () => void): string {
  const said: string[] = [];
  const spies = ([process.stdout, process.stderr] as const).map((stream) =>
    jest.spyOn(stream, "write").mockImplementation((text) => said.push(String(text)) > 0),
  );
  try {
    work();
    return said.join("");
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

test("what fails with one is told, and the rest is done all the same", async () => {
  const outcome = await eachOf(["a", "b", "c"], { signal: never }, (name) =>
    name === "c" ? Promise.resolve(name) : Promise.reject(new CommandError(`no ${name}`, `make ${name}`)),
  );
  let code = 0;
  const said = written(() => {
    try {
      tellOutcome(outcome, true, outcome.done);
    } catch (error) {
      code = tellTrouble(error, false);
    }
  });
  expect(code).toBe(1);
  expect(said).toBe('[\n  "c"\n]\nerror: no a\n  to fix: make a\nerror: no b\n  to fix: make b\n');
});

test("Ctrl-C ends all of it", async () => {
  const interrupted = new AbortController();
  const turns: string[] = [];
  const work = (name: string) => {
    turns.push(name);
    interrupted.abort(new Error("interrupted"));
    return Promise.reject(interrupted.signal.reason as Error);
  };
  await expect(eachOf(["a", "b"], interrupted, work)).rejects.toThrow("interrupted");
  expect(turns).toEqual(["a"]);
});
