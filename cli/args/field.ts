import { InvalidArgumentError } from "commander";
import type { z } from "zod";

/** A parser for a flag out of the check of a resource's field: one grammar for both. */
export function field<T extends z.ZodType>(schema: T): (text: string) => z.output<T> {
  return (text) => {
    const parsed = schema.safeParse(text);
    if (parsed.success) return parsed.data;
    throw new InvalidArgumentError(parsed.error.issues.map(({ message }) => message).join("; "));
  };
}
