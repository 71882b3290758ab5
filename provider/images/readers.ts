import type { Podman } from "../host/podman";
import { FIRST } from "./look";
import { WITH_IMAGE } from "./mounted";

/** Programs in an image that read what a user gives for a guest's first boot. */
export interface Readers {
  readonly hasCloudInit: boolean;
  readonly hasIgnition: boolean;
}

/** Prints a line for each that is there; as `guest/ignite.sh` looks for them. A link may lead out of what is mounted here. */
const FIND_READERS = `${WITH_IMAGE}
cd "$root"
${FIRST}
first cloud-init usr/bin/cloud-init usr/local/bin/cloud-init
first ignition usr/lib/dracut/modules.d/*ignition/ignition usr/bin/ignition
`;

/** Looks for them in an image of podman's store. */
export async function findReaders(podman: Podman, image: string, signal: AbortSignal): Promise<Readers> {
  const found = await podman.script(FIND_READERS, [image], { signal });
  return { hasCloudInit: /^cloud-init /m.test(found), hasIgnition: /^ignition /m.test(found) };
}
