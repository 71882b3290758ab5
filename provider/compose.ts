import type { Rooms } from "./context";
import { Diagnose } from "./diagnose/diagnose";
import { openPaths } from "./host/paths";
import { Podman } from "./host/podman";
import { Images } from "./images/images";
import { Inspection } from "./machines/inspection";
import { Machines } from "./machines/machines";
import { Networks } from "./networks/networks";
import { ClientFiles } from "./ssh/client-files";
import { Ssh } from "./ssh/ssh";
import { Tunnels } from "./ssh/tunnels";

/** Builds the rooms; the only place that sees them all. Cheap: nothing is started or looked at before it is needed. */
export function compose(environment: NodeJS.ProcessEnv = process.env): Rooms {
  const paths = openPaths(environment);
  const podman = new Podman(paths);
  const machines = new Machines(paths, podman);
  const networks = new Networks(paths);
  const ssh = new Ssh();
  return {
    images: new Images(paths, podman, async () => machines.bootsInUse()),
    machines,
    networks,
    ssh,
    clientFiles: new ClientFiles(paths, environment["HOME"]),
    tunnels: new Tunnels(paths),
    diagnose: new Diagnose({ machines: new Inspection(paths, podman), networks, ssh }),
  };
}
