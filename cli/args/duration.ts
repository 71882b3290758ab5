import { duration } from "../../provider/schema/fields";
import { UsageError } from "../trouble";

/** Reads `90s`, `5m`, … as seconds. Throws a `UsageError` that names the option. */
export function readDuration(option: string, text: string): number {
  const parsed = duration.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new UsageError(`${option} ${text}: ${parsed.error.issues[0]?.message ?? "is no duration"}`);
}
