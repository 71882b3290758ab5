import { z } from "zod";
import type { InputFailure } from "../resources/resource";
import { namesOf } from "../schema/filled-from";
import { nearest } from "./nearest";
import { holdsUnknown, isUnknown } from "./unknowns";

/** Inputs as far as they are known: checked, defaults filled in, unknown parts left as they came. */
export interface Parsed {
  readonly value: unknown;
  readonly failures: readonly InputFailure[];
}

type Path = readonly PropertyKey[];

/** The parts of zod's definitions that we look into; there are more. */
interface Definition {
  readonly type: string;
  readonly innerType?: z.ZodType;
  readonly element?: z.ZodType;
  readonly valueType?: z.ZodType;
}

/**
 * Checks a value by a schema and fills in its defaults. An unknown part skips its own check, and those rules across the
 * fields around it that look at it; every part beside it is checked all the same.
 */
export function parse(schema: z.ZodType, value: unknown, path: Path = []): Parsed {
  if (!holdsUnknown(value)) return parseKnown(schema, value, path);
  if (isUnknown(value)) return { value, failures: [] };
  const definition = schema.def as unknown as Definition;
  const { innerType, element, valueType } = definition;
  if (innerType !== undefined) return parse(innerType, value, path); // optional, default, nullable
  if (definition.type === "object") return parseObject(schema as z.ZodObject, value, path);
  if (element !== undefined && Array.isArray(value))
    return join(
      value.map((part, index) => [index, parse(element, part, [...path, index])] as const),
      (parts) => parts.map(([, part]) => part),
    );
  if (valueType !== undefined && isRecord(value))
    return join(
      Object.entries(value).map(([key, part]) => [key, parse(valueType, part, [...path, key])] as const),
      (parts) => Object.fromEntries(parts),
    );
  return { value, failures: [] }; // unions and the like: nothing can be said before all of it is known
}

function parseKnown(schema: z.ZodType, value: unknown, path: Path): Parsed {
  const result = schema.safeParse(value);
  if (result.success) return { value: result.data, failures: [] };
  return { value, failures: result.error.issues.flatMap((issue) => failuresOf(issue, path, schema)) };
}

function parseObject(schema: z.ZodObject, value: unknown, path: Path): Parsed {
  if (!isRecord(value)) return parseKnown(schema, value, path);
  const names = Object.keys(schema.shape);
  const parts = names.map((name) => {
    const field = schema.shape[name] as z.ZodType;
    return [name, parse(field, value[name], [...path, name])] as const;
  });
  const strangers = Object.keys(value).filter((key) => !names.includes(key));
  const known = join(parts, (fields) => Object.fromEntries(fields.filter(([, part]) => part !== undefined)));
  const failures = [...known.failures, ...strangers.map((key) => strangerAt([...path, key], namesOf(schema.shape)))];
  // As zod has it: what is wrong by itself is not compared with other fields.
  return failures.length > 0
    ? { ...known, failures }
    : { ...known, failures: failuresAcross(schema, known.value, path) };
}

/** A rule has looked at what is not known yet. */
class LooksAtUnknown extends Error {
  override readonly name = "LooksAtUnknown";
}

/** What the rules across an object's fields find wrong, but for those that look at a field with something unknown. */
function failuresAcross(schema: z.ZodObject, value: unknown, path: Path): InputFailure[] {
  const fields = new Proxy(value as object, {
    get(target, name) {
      const field: unknown = Reflect.get(target, name);
      if (holdsUnknown(field)) throw new LooksAtUnknown();
      return field;
    },
  });
  return (schema._zod.def.checks ?? []).flatMap((rule) => {
    const payload: z.core.ParsePayload<object> = { value: fields, issues: [] };
    try {
      void (rule as z.core.$ZodCheck<object>)._zod.check(payload);
    } catch (error) {
      if (!(error instanceof LooksAtUnknown)) throw error;
    }
    const issues = payload.issues.map((issue) => z.core.util.finalizeIssue(issue, undefined, z.config()));
    return issues.flatMap((issue) => failuresOf(issue, path, schema));
  });
}

function join<Key extends PropertyKey>(
  parts: readonly (readonly [Key, Parsed])[],
  build: (values: [Key, unknown][]) => unknown,
): Parsed {
  return {
    value: build(parts.map(([key, part]) => [key, part.value])),
    failures: parts.flatMap(([, part]) => part.failures),
  };
}

function failuresOf(issue: z.core.$ZodIssue, base: Path, schema: z.ZodType): InputFailure[] {
  const path = [...base, ...issue.path];
  if (issue.code === "unrecognized_keys")
    return issue.keys.map((key) => strangerAt([...path, key], fieldsAt(schema, issue.path)));
  const reason = issue.code === "invalid_key" ? (issue.issues[0]?.message ?? issue.message) : issue.message;
  return [{ property: spell(path), reason: inOurWords(reason) }];
}

/** Kinds of values, as zod calls them. */
const KINDS: Readonly<Record<string, string>> = {
  ...{ string: "a text", number: "a number", boolean: "true or false", int: "a whole number", nan: "no number" },
  ...{ array: "a list", object: "an object", record: "an object", null: "nothing" },
};

/** What zod says of a value of another kind, where the schema has no words of its own for it. */
function inOurWords(reason: string): string {
  const [, wanted = "", seen = ""] = /^Invalid input: expected (\w+), received (\w+)$/.exec(reason) ?? [];
  const kind = KINDS[wanted];
  if (kind === undefined) return reason;
  return seen === "undefined" ? `is required: ${kind}` : `must be ${kind}, got ${KINDS[seen] ?? seen}`;
}

function strangerAt(path: Path, names: readonly string[]): InputFailure {
  const meant = nearest(String(path.at(-1)), names);
  const hint = meant === undefined ? `the fields are ${names.join(", ")}` : `did you mean "${meant}"?`;
  return { property: spell(path), reason: `there is no such field: ${hint}` };
}

/** Names of the fields that the schema has at a place within it. */
function fieldsAt(schema: z.ZodType, path: Path): string[] {
  const { innerType, element, valueType } = schema.def as unknown as Definition;
  if (innerType !== undefined) return fieldsAt(innerType, path);
  const shape = (schema as Partial<z.ZodObject>).shape;
  const [step, ...rest] = path;
  if (step === undefined) return namesOf(shape ?? {});
  const next = (shape?.[String(step)] as z.ZodType | undefined) ?? element ?? valueType;
  return next === undefined ? [] : fieldsAt(next, rest);
}

/** A path as one writes it: `mounts[2].source`. */
function spell(path: Path): string {
  const [first = "", ...rest] = path.map((step) =>
    typeof step === "number" || !/^[A-Za-z_]\w*$/.test(String(step)) ? `[${JSON.stringify(step)}]` : `.${String(step)}`,
  );
  return [first.replace(/^\./, ""), ...rest].join("");
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
