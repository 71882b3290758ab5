import { expect, test } from "@jest/globals";
import type { Context } from "../../../provider/context";
import { waitForSystemd } from "../../../provider/resources/vm-up";
import { failureOf } from "../../support/context";

/** A guest: what it answers to the commands that begin so; what it has no answer for never ends. */
const guest = (answers: Readonly<Record<string, string>>) => {
  const said: string[] = [];
  const exec = async (_to: unknown, { command }: { command: string }, signal: AbortSignal) => {
    const [, stdout] = Object.entries(answers).find(([start]) => command.startsWith(start)) ?? [];
    if (stdout !== undefined) return { stdout };
    return new Promise((_, reject) => {
      signal.addEventListener("abort", () => {
        reject(signal.reason as Error);
      });
    });
  };
  const signal = new AbortController().signal;
  const context = { ssh: { exec }, say: (text: string) => said.push(text), signal } as unknown as Context;
  return { context, said };
};
const to = { host: "127.0.0.1", port: 22, user: "root", hostKey: "" };

test("units that failed are told of", async () => {
  const { context, said } = guest({ "systemctl is-system": "degraded\n", "systemctl --failed": "a.service failed\n" });
  await waitForSystemd({ bootTimeout: 1 }, to, context, AbortSignal.timeout(60_000));
  expect(said).toEqual(["systemd is degraded: a.service failed"]);
});

test("a systemd that does not settle in time is an error that names what it is still at", async () => {
  const { context } = guest({ "systemctl list-jobs": "7 slow.service start running\n" });
  const over = AbortSignal.timeout(1);
  expect(await failureOf(waitForSystemd({ bootTimeout: 9 }, to, context, over))).toMatchObject({
    code: "BOOT_TIMEOUT",
    message: expect.stringMatching(
      /systemd had not settled within 9 s\n.*jobs:\n7 slow\.service[^]*To fix: raise boot/,
    ),
  });
});
