import type { Figure } from "../figures";
import { measureCommands } from "./commands";
import { measureCopies, measureSync } from "./files";
import { measureForward } from "./forward";
import { Site } from "./site";

/** What is measured, in this order: those that fill the guest's disk come last. */
const PARTS = {
  sync: measureSync,
  forward: measureForward,
  commands: measureCommands,
  copies: measureCopies,
} as const;

/**
 * How SSH to one VM compares with others' ways to it: each pair in turns, so that what else the host does hits both.
 *
 * @param only Names of parts. @default all
 * @throws {Error} For a name that no part has.
 */
export async function measureReach(only: readonly string[] = []): Promise<Figure[]> {
  const unknown = only.find((name) => !(name in PARTS));
  if (unknown !== undefined) throw new Error(`no part "${unknown}"; there are ${Object.keys(PARTS).join(", ")}`);
  await using site = await Site.open();
  const figures: Figure[] = [];
  for (const [name, measure] of Object.entries(PARTS))
    if (only.length === 0 || only.includes(name)) figures.push(...(await measure(site)));
  return figures;
}
