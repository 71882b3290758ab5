import { until } from "../../provider/host/until";

/** Looks until something holds; fails when that takes longer than the seconds. */
export async function eventually(
  what: string,
  seconds: number,
  holds: () => boolean | Promise<boolean>,
): Promise<void> {
  await until(what, async () => (await holds()) || undefined, {
    signal: AbortSignal.timeout(seconds * 1_000),
    diagnose: () => ({ remedy: "" }),
  });
}
