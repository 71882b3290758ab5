import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { identifySelf } from "../../provider/host/process-identity";

/** Begins the names of such folders; in each of them the file says which process has made it. */
export const HOMES = { prefix: "mayfly ", record: "made-by.json" } as const;

/**
 * Makes a folder for all that a test has on disk: itself a data folder, or with one in it that is called `data`. It is on
 * record, so that what is left by a test that was killed can be taken away: see `clear-dead-homes.ts`.
 */
export function makeHome(what: string, place = tmpdir()): string {
  const home = mkdtempSync(join(place, `${HOMES.prefix}${what} `));
  writeFileSync(join(home, HOMES.record), JSON.stringify(identifySelf()));
  return home;
}
