import { expect, test } from "@jest/globals";
import { KnownIds } from "../../../provider/engine/known";

const owner = (resource: string) => ({ project: "shop", stack: "dev", resource });

test("tells what a resource has by now, whatever its name was", () => {
  const known = new KnownIds();
  known.addCompared("old-1", owner("site"), false); // made when it was called "old"
  known.addCompared("db-1", owner("db"), false);
  expect([...known.of(owner("site"))]).toEqual(["old-1"]);
  expect([...known.of(owner("old"))]).toEqual([]);
});

test("tells what goes before its successor comes, as it was seen last", () => {
  const known = new KnownIds();
  known.addCompared("web-1", owner("web"), true);
  known.addCompared("db-1", owner("db"), true);
  known.addCompared("web-1", owner("web"), false);
  expect([...known.leaving]).toEqual(["db-1"]);
});
