import { printJson } from "./output";
import { SomeFailed } from "./trouble";

/** What has become of several things. */
export interface Outcome<Done> {
  readonly done: readonly Done[];
  /** What went wrong with the others. */
  readonly failed: readonly unknown[];
}

/** Does the same with several things, one after the other. What fails with one keeps no other from its turn; Ctrl-C does. */
export async function eachOf<Thing, Done>(
  things: Iterable<Thing>,
  { signal }: { readonly signal: AbortSignal },
  work: (thing: Thing) => Promise<Done>,
): Promise<Outcome<Done>> {
  const [done, failed]: [Done[], unknown[]] = [[], []];
  for (const thing of things)
    try {
      done.push(await work(thing));
    } catch (error) {
      if (signal.aborted) throw error;
      failed.push(error);
    }
  return { done, failed };
}

/** Says what became of them: prints `value` where JSON is asked for, then throws what went wrong. */
export function tellOutcome({ failed }: Outcome<unknown>, json: true | undefined, value: unknown): void {
  if (json === true) printJson(value);
  if (failed.length > 0) throw new SomeFailed(failed);
}
