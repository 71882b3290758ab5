import { z } from "zod";
import type { CheckContext } from "../../../provider/resources/resource";
import type { AnyHandler } from "../../../provider/resources/registry";

const schema = z
  .strictObject({
    name: z.string("must be a text"),
    size: z.int("must be a number").default(1),
    parts: z
      .array(z.strictObject({ path: z.string("must be a text"), mode: z.enum(["ro", "rw"]).default("ro") }))
      .default([]),
    labels: z.record(z.string(), z.string("must be a text")).default({}),
    limit: z.union([z.string(), z.number()]).optional(),
    parent: z.string().optional(),
    retries: z.int().default(3),
  })
  .refine(({ name, parent }) => name !== parent, { path: ["parent"], message: "must be another" });

/** What a check is given where it needs no host. */
export const LOOK: CheckContext = {
  owner: { project: "shop", stack: "dev", resource: "web" },
  own: new Set(),
  isNew: true,
  openRooms: () => Promise.reject(new Error("not needed here")),
  signal: new AbortController().signal,
  say: () => undefined,
};

/** A handler whose verbs nobody calls, for what the engine does around them. */
export function thing(more: Partial<AnyHandler> = {}): AnyHandler {
  const uncalled = () => Promise.reject(new Error("not called here"));
  return {
    schema,
    replaceOnChanges: ["name", "parts", "parent"],
    ignoreChanges: ["retries"],
    identityInputs: ["parent"],
    ...{ create: uncalled, update: uncalled, delete: uncalled },
    ...more,
  };
}
