import type { Figure } from "../figures";
import { measureCommands } from "./commands";
import { measureCopies, measureSync } from "./files";
import { measureForward } from "./forward";
import { Site } from "./site";

/** How SSH to one VM compares with others' ways to it: each pair in turns, so that what else the host does hits both. */
export async function measureReach(): Promise<Figure[]> {
  await using site = await Site.open();
  return [
    ...(await measureSync(site)),
    ...(await measureForward(site)),
    ...(await measureCommands(site)),
    ...(await measureCopies(site)),
  ];
}
