import type { AnyHandler } from "../resources/registry";
import { parse } from "./parse";
import type { Properties } from "./state";
import { compare, holdsUnknown, type Comparison } from "./unknowns";

/** What an `up` would do to a thing. Always explicit: left open, Pulumi would compare our own code's text too. */
export interface Difference {
  readonly changes: boolean;
  /** Properties whose change needs a new thing. It comes up before the old one goes, but for `deleteBeforeReplace`. */
  readonly replaces: string[];
  /** The old one has to go first: both want something that only one can have. */
  readonly deleteBeforeReplace: boolean;
}

/**
 * Compares what a thing was made from with what is wanted now. Of fields that need a new thing only those count that
 * are known to differ: an unknown value may turn out the same. The exception is what names another thing: such a name
 * is unknown only when that other thing will be a new one.
 */
export function difference(handler: AnyHandler, old: Properties, next: Properties): Difference {
  const before = normalise(handler, old);
  const after = normalise(handler, next);
  const { ignoreChanges = [] } = handler;
  const ignored = typeof ignoreChanges === "function" ? ignoreChanges(after) : ignoreChanges;
  const changed = new Map<string, Comparison>();
  for (const field of Object.keys(handler.schema.shape)) {
    if (ignored.includes(field)) continue;
    const result = compare(before[field], after[field]);
    const isIdentity = handler.identityInputs?.includes(field) ?? false;
    if (result !== "same") changed.set(field, isIdentity ? "different" : result);
  }
  const different = [...changed.keys()].filter((field) => changed.get(field) === "different");
  const replaces = different.filter((field) => handler.replaceOnChanges.includes(field));
  return {
    changes: changed.size > 0,
    replaces,
    deleteBeforeReplace: replaces.length > 0 && mustGoFirst(handler, before, after),
  };
}

/** A field that is not known yet is taken for unchanged. */
function mustGoFirst(handler: AnyHandler, before: Properties, after: Properties): boolean {
  if (handler.deleteFirst === undefined || !handler.schema.safeParse(before).success) return false;
  const known = Object.entries(after).map(([key, value]) => [key, holdsUnknown(value) ? before[key] : value]);
  return handler.deleteFirst(before, Object.fromEntries(known) as Properties);
}

/** Today's defaults on both sides: a field that a new version of this package brings is no change by itself. */
function normalise(handler: AnyHandler, inputs: Properties): Properties {
  const { value, failures } = parse(handler.schema, inputs);
  return failures.length === 0 ? (value as Properties) : inputs; // saved before a check became stricter
}
