import { expect, jest, test } from "@jest/globals";
import { Interrupted } from "../../../cli/rooms";
import { beforeRun, CommandError, tellTrouble } from "../../../cli/trouble";
import { MayflyError } from "../../../provider/errors";
import { orCleanUp } from "../../../provider/host/clean-up";
import { failureOf } from "../../support/context";

/** What is written of an error, and the exit code. */
function told(error: unknown): { code: number; err: string } {
  const written = jest.spyOn(process.stderr, "write").mockReturnValue(true);
  try {
    const code = tellTrouble(error, false);
    return { code, err: written.mock.calls.map(([text]) => String(text)).join("") };
  } finally {
    written.mockRestore();
  }
}

const left = async (error: Error, what: string) =>
  failureOf(
    orCleanUp(
      () => Promise.reject(error),
      () => Promise.reject(new Error("it hangs")),
      { what, remedy: "mayfly prune" },
    ),
  );

test("who interrupts a command hears of what it has left behind, and of nothing else", async () => {
  const warning = (what: string) => `warning: ${what} was left behind (it hangs): mayfly prune\n`;
  expect(told(await left(await left(new Interrupted(), "the VM"), "its network"))).toEqual({
    ...{ code: 130, err: warning("the VM") + warning("its network") },
  });
  const broken = new MayflyError("TOOL_FAILED", "podman", { remedy: "x", cause: new Interrupted() });
  expect(told(await left(broken, "the VM"))).toEqual({ code: 130, err: warning("the VM") });
  const notRun = await failureOf(beforeRun(() => Promise.reject(new Interrupted())));
  expect(told(await left(notRun, "the VM"))).toEqual({ code: 130, err: warning("the VM") });
  expect(told(await left(new CommandError("no", "do"), "the VM")).err).toBe(
    `error: no\n  to fix: do\n${warning("the VM")}`,
  );
  expect(told(new Interrupted())).toEqual({ code: 130, err: "" });
});

test.each([
  ["raise bootTimeout if it was still booting", "raise --boot-timeout if it was still booting"],
  ["take another hostPort; 0 finds a free one", "take another port of this host; 0 finds a free one"],
  ["see its log, and try again: pulumi up", "see its log, and try again"],
  ["run `pulumi up` again", "run the same again"],
  [
    "let the sync remove what the source has not: deleteExtra: true",
    "let the sync remove what the source has not: --delete",
  ],
  ["check the path; what a command makes there, the sync has to depend on: { dependsOn: [command] }", "check the path"],
  ["a changed image, kernelArgs or memory is the usual cause", "a changed image, --karg or memory is the usual cause"],
  ['`warmBoot: "auto"` boots it through its kernel', "`mayfly run` boots it through its kernel"],
  ["take out of userData what waits", "take out of --user-data what waits"],
  ["choose another `networks[].address`, or", "choose another address (--network NAME:ADDRESS), or"],
])("a remedy is told in the command's words: %s", (remedy, expected) => {
  const { code, err } = told(new MayflyError("BOOT_TIMEOUT", "it did not come up", { remedy }));
  expect([code, err]).toEqual([1, expect.stringContaining(`it did not come up\n  to fix: ${expected}\n`)]);
});
