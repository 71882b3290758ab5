import { expect, test } from "@jest/globals";
import { nodeProblem } from "../../provider/node-version";

test.each(["22.12.0", "22.23.3", "24.0.0"])("Node %s will do", (version) => {
  expect(nodeProblem(version)).toBeUndefined();
});

test.each(["20.20.2", "22.11.0"])("Node %s is too old", (version) => {
  expect(nodeProblem(version)).toBe(`this is Node ${version}, and pulumi-mayfly needs 22.12 or newer`);
});

test("this one will do", () => {
  expect(nodeProblem()).toBeUndefined();
});
