import type { z } from "zod";
import type { AnyHandler } from "../resources/registry";
import type { CheckContext, InputFailure } from "../resources/resource";
import { parseTimeout } from "./deadline";
import { parse } from "./parse";
import { scrub } from "./scrub";
import { unwrapSecrets } from "./secrets";
import { clean, type Properties } from "./state";
import { holdsUnknown, knownFields } from "./unknowns";

/** What `check` found. */
export interface Checked {
  /** The inputs as all later verbs see them: defaults filled in, sizes and durations as numbers. */
  readonly inputs: Properties;
  /** Everything that is wrong, all at once. */
  readonly failures: readonly InputFailure[];
}

/** Checks the inputs of one resource, at preview (where parts may be unknown) and again at `up`. */
export async function checkInputs(handler: AnyHandler, news: Properties, look: CheckContext): Promise<Checked> {
  const { owner, customTimeouts, __provider: _, ...rest } = withoutAbsent(unwrapSecrets(news)) as Properties;
  const { value, failures: wrong } = parse(handler.schema, rest);
  const fields = value as Properties;
  const failures = [...wrong, ...checkTimeouts(customTimeouts)];
  failures.push(...(await checkOnHost(handler, fields, failures, look)));
  const derived = failures.length === 0 ? await handler.derive?.(knownFields(fields), look) : undefined;
  return { inputs: clean({ ...fields, ...derived, owner, customTimeouts }), failures };
}

/**
 * The failures in the form that Pulumi prints. Not by `property`: for one that is set the engine prints the value too,
 * of a secret as well (measured with 3.255: `property privateKey value {&{{THE KEY}}} has a problem`), and for a path
 * such as `mounts[2].source` it prints `value {<nil>}`. So the path is part of the reason.
 */
export function wireFailures(
  failures: readonly InputFailure[],
  news: Properties,
): { property: string; reason: string }[] {
  return failures.map(({ property, reason }) => {
    const text = property === "" ? reason : `${property}: ${reason}`;
    return { property: "", reason: scrub(text, news) };
  });
}

/** Drops `null` and `undefined` fields: a program that computes "nothing" means the default. */
function withoutAbsent(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(withoutAbsent);
  const present = Object.entries(value).filter(([, part]) => part !== undefined && part !== null);
  return Object.fromEntries(present.map(([key, part]) => [key, withoutAbsent(part)]));
}

function checkTimeouts(timeouts: unknown): InputFailure[] {
  if (holdsUnknown(timeouts)) return [];
  return Object.entries((timeouts ?? {}) as Properties)
    .filter(([, text]) => parseTimeout(text) === undefined)
    .map(([verb, text]) => ({
      property: `customTimeouts.${verb}`,
      reason: `must be a duration such as "90s", "5m" or "1h30m", got ${JSON.stringify(text)}`,
    }));
}

/**
 * The handler's own look at the host, for what is known and right so far. A field of which a part is unknown or wrong is
 * given as its default, or, where it has none, as it came.
 */
async function checkOnHost(
  handler: AnyHandler,
  fields: Properties,
  wrong: readonly InputFailure[],
  look: CheckContext,
): Promise<readonly InputFailure[]> {
  if (handler.check === undefined) return [];
  const doubtful = new Set(wrong.map(topField));
  for (const [key, value] of Object.entries(fields)) if (holdsUnknown(value)) doubtful.add(key);
  // Field by field: a schema that has found something wrong gives nothing back.
  const known = { ...fields };
  for (const [key, schema] of Object.entries<z.ZodType>(handler.schema.shape)) {
    const parsed = schema.safeParse(doubtful.has(key) ? undefined : fields[key]);
    if (parsed.success) known[key] = parsed.data;
  }
  const failures = await handler.check(known, look);
  return failures.filter((failure) => !doubtful.has(topField(failure)));
}

/** The field that a path such as `mounts[2].source` starts with; empty for none. */
function topField({ property }: InputFailure): string {
  return /^\w*/.exec(property)?.[0] ?? "";
}
