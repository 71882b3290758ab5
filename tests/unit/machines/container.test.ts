import { expect, test } from "@jest/globals";
import { MayflyError } from "../../../provider/errors";
import type { Podman } from "../../../provider/host/podman";
import { removeContainers } from "../../../provider/machines/container";
import { failureOf } from "../../support/context";

/** A podman that says these words in turn, and has done it when there is none left. */
function saying(...words: string[]) {
  const asked: string[] = [];
  const run = (args: readonly string[]) => {
    asked.push(args.join(" "));
    const evidence = words.shift();
    if (evidence === undefined) return Promise.resolve("");
    return Promise.reject(new MayflyError("TOOL_FAILED", "podman failed", { evidence, remedy: "" }));
  };
  return { asked, podman: { run } as unknown as Podman };
}

const signal = AbortSignal.timeout(60_000);

test("a container that ends at the moment of its removal is removed once podman has seen its end", async () => {
  const { asked, podman } = saying("Error: container not running", "Error: could not be stopped");
  await removeContainers(podman, "web", ["mount0"], signal);
  const removal = "rm --force --time 0 --ignore mayfly-web mayfly-web-mount0";
  expect(asked).toEqual([removal, removal, removal]);
});

test("whatever else podman says about a removal is its failure, at once", async () => {
  const { asked, podman } = saying("Error: database is locked");
  expect(await failureOf(removeContainers(podman, "web", [], signal))).toMatchObject({
    evidence: "Error: database is locked",
  });
  expect(asked).toHaveLength(1);
});
