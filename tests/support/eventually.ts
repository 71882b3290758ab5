import { until } from "../../provider/host/until";

/** Looks until something holds; fails when that takes longer than the seconds, with what was seen. */
export async function eventually(
  what: string,
  seconds: number,
  holds: () => boolean | Promise<boolean>,
  seen = () => "",
): Promise<void> {
  await until(what, async () => (await holds()) || undefined, {
    signal: AbortSignal.timeout(seconds * 1_000),
    diagnose: () => ({ evidence: seen(), remedy: "" }),
  });
}
