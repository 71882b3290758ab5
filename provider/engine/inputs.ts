import type { AnyHandler } from "../resources/registry";
import type { InputFailure } from "../resources/resource";
import { parseTimeout } from "./deadline";
import { parse } from "./parse";
import { unwrapSecrets } from "./secrets";
import { clean, type Properties } from "./state";
import { holdsUnknown } from "./unknowns";

/** What `check` found. */
export interface Checked {
  /** The inputs as all later verbs see them: defaults filled in, sizes and durations as numbers. */
  readonly inputs: Properties;
  /** Everything that is wrong, all at once. */
  readonly failures: readonly InputFailure[];
}

/** Checks the inputs of one resource, at preview (where parts may be unknown) and again at `up`. */
export async function checkInputs(handler: AnyHandler, news: Properties): Promise<Checked> {
  const { owner, customTimeouts, __provider: _, ...rest } = withoutAbsent(unwrapSecrets(news)) as Properties;
  const { value, failures: wrong } = parse(handler.schema, rest);
  const fields = value as Properties;
  const failures = [...wrong, ...checkTimeouts(customTimeouts)];
  if (failures.length === 0) failures.push(...(await checkOnHost(handler, fields)));
  return { inputs: clean({ ...fields, owner, customTimeouts }), failures };
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
 * The handler's own look at the host, for what is known. A field that holds something unknown is given as its default,
 * or, where it has none, as it came.
 */
async function checkOnHost(handler: AnyHandler, fields: Properties): Promise<readonly InputFailure[]> {
  if (handler.check === undefined) return [];
  const unknown = Object.keys(fields).filter((key) => holdsUnknown(fields[key]));
  const known = { ...fields };
  for (const key of unknown) {
    const fallback = handler.schema.shape[key]?.["~standard"].validate(undefined);
    if (fallback !== undefined && "value" in fallback) known[key] = fallback.value;
  }
  const failures = await handler.check(known);
  return failures.filter(({ property }) => !unknown.includes(/^\w*/.exec(property)?.[0] ?? ""));
}
