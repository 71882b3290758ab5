/** Fields that are secret whatever they hold. */
const ALWAYS = new Set(["privateKey", "passphrase", "password", "privateKeyPassword"]);
const ALWAYS_MIN_LENGTH = 4; // blanking every "a" of a message would tell the password by the holes
/** Fields that often carry secrets, and also harmless words such as `1` or `staging`. */
const OFTEN = new Set(["stdin", "environment", "userData", "ignition"]);
/** What a command with secret output runs is as secret as the output: the program passed a secret into it. */
const COMMANDS = new Set(["create", "update", "delete", "read"]);
const OFTEN_MIN_LENGTH = 8; // shorter ones are words that an error needs
const LINE_MIN_LENGTH = 16; // a line of a key is 64 or 70 long; its last one may be short

/** What is printed instead. */
const BLANK = "[secret]";

/**
 * Blanks out of a text every secret that the given values hold, at any depth and by the names of their fields. Long
 * secrets of several lines also go line by line, and as JSON would print them.
 */
export function scrub(text: string, ...holders: readonly unknown[]): string {
  return scrubber(...holders)(text);
}

/** The same for many texts: what is secret is looked up once, when the first one comes. */
export function scrubber(...holders: readonly unknown[]): (text: string) => string {
  let longestFirst: readonly string[] | undefined;
  return (text) => {
    longestFirst ??= [...new Set(holders.flatMap((holder) => secretsIn(holder)).flatMap(spellings))].sort(
      (one, other) => other.length - one.length,
    );
    return longestFirst.reduce((blanked, secret) => blanked.replaceAll(secret, BLANK), text);
  };
}

function secretsIn(holder: unknown): string[] {
  if (typeof holder !== "object" || holder === null) return [];
  const record = holder as Record<string, unknown>;
  return Object.entries(record).flatMap(([field, value]) => {
    if (ALWAYS.has(field)) return textsIn(value, ALWAYS_MIN_LENGTH);
    if (OFTEN.has(field)) return textsIn(value, OFTEN_MIN_LENGTH);
    if (COMMANDS.has(field) && record["secretOutput"] === true) return textsIn(value, OFTEN_MIN_LENGTH);
    return secretsIn(value);
  });
}

function textsIn(value: unknown, minLength: number): string[] {
  if (typeof value === "string") return value.length >= minLength ? [value] : [];
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap((part) => textsIn(part, minLength));
}

function spellings(secret: string): string[] {
  const lines = secret.split(/\r?\n/).filter((line) => line.length >= LINE_MIN_LENGTH && !line.startsWith("-----"));
  const forms = [secret, secret.trim(), JSON.stringify(secret).slice(1, -1), ...lines];
  return forms.filter((form) => form.length >= ALWAYS_MIN_LENGTH);
}
