/**
 * What stands for a value that is not known before `up`. Pulumi's engine sends one of these texts in its place, at
 * preview only (`sdk/go/common/resource/plugin/rpc.go`). From a Node program it is always the first one.
 */
const SENTINELS: ReadonlySet<unknown> = new Set([
  "04da6b54-80e4-46f7-96ec-b56ff0331ba9", // any value, or a text
  "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7", // boolean
  "3eeb2bf0-c639-47a8-9e75-3b44932eb421", // number
  "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2", // array
  "dd056dcd-154b-4c76-9bd3-c8f88648b5ff", // object
  "030794c1-ac77-496b-92df-f27374a8bd58", // asset
  "e48ece36-62e2-4504-bad9-02848725956a", // archive
]);

/** Whether this very value is unknown. */
export function isUnknown(value: unknown): boolean {
  return SENTINELS.has(value);
}

/** Whether this value is unknown, or holds one that is. */
export function holdsUnknown(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return isUnknown(value);
  return Object.values(value).some(holdsUnknown);
}

/** The fields of which nothing is unknown. */
export function knownFields(properties: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(properties).filter(([, value]) => !holdsUnknown(value)));
}

/** How a value of the state relates to a new one that may be unknown, in part or as a whole. */
export type Comparison = "same" | "different" | "unknown";

/**
 * Compares by content. `different` only where a known part differs; `unknown` where all known parts agree and the rest
 * will show at `up`.
 */
export function compare(old: unknown, next: unknown): Comparison {
  if (isUnknown(next)) return "unknown";
  if (!isContainer(old) || !isContainer(next)) return Object.is(old, next) ? "same" : "different";
  if (Array.isArray(old) !== Array.isArray(next)) return "different";
  const keys = new Set([...Object.keys(old), ...Object.keys(next)]);
  const parts = [...keys].map((key) => compare(old[key], next[key]));
  if (parts.includes("different")) return "different";
  return parts.includes("unknown") ? "unknown" : "same";
}

function isContainer(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
