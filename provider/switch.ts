import { resolve } from "node:path";
import { openPaths } from "./host/paths";
import { Keeper } from "./networks/keeper";

/** Is the switch of one private network. Started by `networks/networks.ts` with the network's id. */
async function main(id: string): Promise<void> {
  const home = process.env["MAYFLY_HOME"];
  const paths = openPaths(home === undefined ? process.env : { MAYFLY_HOME: resolve(home) });
  process.chdir("/"); // hold no folder of the user's
  await Keeper.run(paths, id);
}

void main(process.argv[2] ?? "");
