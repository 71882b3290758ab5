/** Pulumi's wire: an object with this key is a value of a special kind, named by the value of the key. */
const SIGNATURE = "4dabf18193072939515e22adb298388d";
/** The special kind "secret". */
const SECRET = "1b47061264138c4ac30d75fd1eb44270";

/**
 * Marks a value as secret on its way to Pulumi: encrypted in the stack's state, shown as `[secret]`.
 * `pulumi.secret()` is for programs and fails inside of a provider (pulumi#3012).
 */
export function wrapSecret(value: unknown): object {
  return { [SIGNATURE]: SECRET, value };
}

/** The value that a mark makes a secret; `undefined` where there is none. */
export function markedValue(value: object): unknown {
  const record = value as Record<string, unknown>;
  return record[SIGNATURE] === SECRET ? record["value"] : undefined;
}

/** Takes all secret marks off, at any depth. The engine has done so but for `check`; a state file may hold some. */
export function unwrapSecrets(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(unwrapSecrets);
  const marked = markedValue(value);
  if (marked !== undefined) return unwrapSecrets(marked);
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, unwrapSecrets(part)]));
}
