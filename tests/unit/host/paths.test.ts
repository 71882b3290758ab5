import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { dataFolder } from "../../../provider/host/paths";

test("a relative data folder is that of the working directory, by its whole path", () => {
  expect(dataFolder({ MAYFLY_HOME: "some/place" })).toBe(join(process.cwd(), "some", "place"));
});

test("an empty name of it is none", () => {
  const isRoot = process.getuid?.() === 0;
  expect(dataFolder({ MAYFLY_HOME: "", XDG_DATA_HOME: "/data" })).toBe(isRoot ? "/var/lib/mayfly" : "/data/mayfly");
});
