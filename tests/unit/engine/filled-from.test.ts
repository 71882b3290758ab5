import { expect, test } from "@jest/globals";
import { z } from "zod";
import { parse } from "../../../provider/engine/parse";
import { filledFrom } from "../../../provider/schema/filled-from";

test("a field that the SDK fills in is not named to who has slipped: it goes by the one that a program writes", () => {
  const schema = z.strictObject({
    image: z.string(),
    fromDisk: filledFrom("image", z.boolean().default(false)),
    vmId: filledFrom("vm", z.string().optional()),
  });
  const { value, failures } = parse(schema, { image: "x", colour: 1 });
  expect(failures).toEqual([{ property: "colour", reason: "there is no such field: the fields are image, vm" }]);
  expect(value).toMatchObject({ image: "x" });
  expect(parse(schema, { image: "x" }).value).toEqual({ image: "x", fromDisk: false });
});
