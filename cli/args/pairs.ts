import { UsageError } from "../trouble";

/** Reads `NAME=VALUE`, where the value may hold more of them. Throws a `UsageError` that names the option. Pure. */
export function readPair(option: string, text: string): readonly [name: string, value: string] {
  const [, name, value] = /^([^=]+)=([^]*)$/.exec(text) ?? [];
  if (name === undefined || value === undefined) throw new UsageError(`${option} ${text}: must be NAME=VALUE`);
  return [name, value];
}
