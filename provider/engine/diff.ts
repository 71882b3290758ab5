import type { AnyHandler } from "../resources/registry";
import { parse } from "./parse";
import type { Parts, Properties } from "./state";
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
  const changed = changedFields(handler, before, after);
  const different = [...changed.keys()].filter((field) => changed.get(field) === "different");
  const replaces = different.filter((field) => handler.replaceOnChanges.includes(field));
  return {
    changes: changed.size > 0,
    replaces,
    deleteBeforeReplace: replaces.length > 0 && mustGoFirst(handler, before, after),
  };
}

/** The fields that count and are not as before. */
function changedFields(handler: AnyHandler, before: Properties, after: Properties): Map<string, Comparison> {
  const { ignoreChanges = [], identityInputs = [], onlyWhileUnknown = [] } = handler;
  const ignored = typeof ignoreChanges === "function" ? ignoreChanges(after) : ignoreChanges;
  const counting = Object.keys(handler.schema.shape).filter((field) => !ignored.includes(field));
  const results = counting.map((field): [string, Comparison] => {
    const result = compare(before[field], after[field]);
    if (result !== "unknown" && onlyWhileUnknown.includes(field)) return [field, "same"];
    return [field, result !== "same" && identityInputs.includes(field) ? "different" : result];
  });
  return new Map(results.filter(([, result]) => result !== "same"));
}

/** Verbs that see nothing of a program but what was saved, and so neither a deadline that it sets. */
const SEE_ONLY_THE_STATE = ["read", "delete"] as const;

/** A new deadline of what has none but the saved ones is a change: or it would never be in force. */
export function withTimeouts(
  found: Difference,
  old: Pick<Parts, "customTimeouts">,
  next: Pick<Parts, "customTimeouts">,
): Difference {
  const isNew = SEE_ONLY_THE_STATE.some(
    (verb) => compare(old.customTimeouts[verb], next.customTimeouts[verb]) !== "same",
  );
  return { ...found, changes: found.changes || isNew };
}

/** A field that is not known yet is taken for unchanged, but for one that names another thing: that one will be new. */
function mustGoFirst(handler: AnyHandler, before: Properties, after: Properties): boolean {
  if (handler.deleteFirst === undefined || !handler.schema.safeParse(before).success) return false;
  const { identityInputs = [] } = handler;
  const known = Object.entries(after).map(([key, value]) => {
    const isAsBefore = holdsUnknown(value) && !identityInputs.includes(key);
    return [key, isAsBefore ? before[key] : value];
  });
  return handler.deleteFirst(before, Object.fromEntries(known) as Properties);
}

/** Today's defaults on both sides: a field that a new version of this package brings is no change by itself. */
function normalise(handler: AnyHandler, inputs: Properties): Properties {
  const { value, failures } = parse(handler.schema, inputs);
  return failures.length === 0 ? (value as Properties) : inputs; // saved before a check became stricter
}
