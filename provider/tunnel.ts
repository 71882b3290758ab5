import { Keeper } from "./ssh/tunnel-keeper";

/** Keeps one tunnel up. Started by `ssh/tunnels.ts` with the tunnel's folder. */
async function main(folder: string): Promise<void> {
  process.chdir("/"); // hold no folder of the user's
  await Keeper.run(folder);
}

void main(process.argv[2] ?? "");
