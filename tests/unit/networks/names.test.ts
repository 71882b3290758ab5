import { expect, test } from "@jest/globals";
import { nameLines } from "../../../provider/networks/names";

const db = { address: "10.80.0.3", names: ["db", "primary"], isUp: true, createdAt: 10 };

test("one line a machine, in an order of their own", () => {
  const web = { address: "10.80.0.2", names: ["web"], isUp: true, createdAt: 20 };
  expect(nameLines([db, web])).toEqual(["10.80.0.2 web", "10.80.0.3 db primary"]);
  expect(nameLines([web, db])).toEqual(nameLines([db, web]));
  expect(nameLines([])).toEqual([]);
});

test("while a VM is replaced its name leads to the old one, until the new one is up", () => {
  const next = { ...db, address: "10.80.0.4", createdAt: 99, isUp: false };
  expect(nameLines([next, db])).toEqual(["10.80.0.3 db primary"]);
  expect(nameLines([{ ...next, isUp: true }, db])).toEqual(["10.80.0.4 db primary"]);
  expect(nameLines([next])).toEqual(["10.80.0.4 db primary"]);
});
