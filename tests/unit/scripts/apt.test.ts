import { expect, test } from "@jest/globals";

const apt = import("../../../scripts/setup/apt.mjs");
const failure = import("../../../scripts/terminal/failure.mjs");

test("the update's failure is told before what it led to", async () => {
  const { Failure } = await failure;
  const update = ["Hit:1 http://a x", "Err:2 http://b x", "  Could not resolve 'b'", "E: Failed to fetch http://b"];
  const error = (await apt).aptFailure(
    new Failure("update", { evidence: update.join("\n") }),
    new Failure("install", { evidence: "Reading package lists...\nE: Unable to locate package podman" }),
  );
  expect(error.report()).toBe(`Error: apt could not fetch its package lists, and then could not install the packages.
  | Err:2 http://b x
  | E: Failed to fetch http://b
  | E: Unable to locate package podman
To do: make \`apt-get update\` and this installation work (/etc/apt, network, proxy), then run this again.`);
});

test("what is no complaint in apt's words is shown whole", async () => {
  const { Failure } = await failure;
  const error = (await apt).aptFailure(undefined, new Failure("install", { evidence: "Killed\n" }));
  expect(error.message).toBe("apt could not install the packages.");
  expect(error.evidence).toBe("Killed");
});
