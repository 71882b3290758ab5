import { Keeper } from "./ssh/tunnel-keeper";

/** Keeps one tunnel up. Started by `ssh/tunnels.ts` with the tunnel's folder. */
void Keeper.run(process.argv[2] ?? "");
