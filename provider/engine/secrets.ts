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

/** Takes all secret marks off, at any depth. The engine does so before it calls us; a state file may still hold some. */
export function unwrapSecrets(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(unwrapSecrets);
  const record = value as Record<string, unknown>;
  if (record[SIGNATURE] === SECRET) return unwrapSecrets(record["value"]);
  return Object.fromEntries(Object.entries(record).map(([key, part]) => [key, unwrapSecrets(part)]));
}
