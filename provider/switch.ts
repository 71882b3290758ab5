import { openPaths } from "./host/paths";
import { Keeper } from "./networks/keeper";

/** Is the switch of one private network. Started by `networks/networks.ts` with the network's id. */
void Keeper.run(openPaths(), process.argv[2] ?? "");
