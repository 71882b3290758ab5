import { z } from "zod";

/** Under which name zod's registry has it. */
const KEY = "filledFrom";

/**
 * Marks a field that no program writes: the SDK fills it in from another one.
 *
 * @param name Of that one, as the SDK's users know it.
 */
export function filledFrom<Schema extends z.ZodType>(name: string, field: Schema): Schema {
  return field.meta({ [KEY]: name });
}

/** The names that a program may write: a field that the SDK fills in goes by the one that it is filled from. */
export function namesOf(shape: Readonly<Record<string, z.core.$ZodType>>): string[] {
  const names = Object.entries(shape).map(([name, field]) => z.globalRegistry.get(field)?.[KEY] ?? name);
  return [...new Set(names.map(String))];
}
