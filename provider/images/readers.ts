import type { Podman } from "../host/podman";
import { WITH_IMAGE } from "./look";

/** Programs in an image that read what a user gives for a guest's first boot. */
export interface Readers {
  readonly hasCloudInit: boolean;
  readonly hasIgnition: boolean;
}

/** Prints the name of each that is there; as `guest/ignite.sh` looks for them. A link may lead out of what is mounted here. */
const FIND_READERS = `${WITH_IMAGE}
cd "$root"
is_there() {
  name=$1
  shift
  for file in "$@"; do
    if [ -e "$file" ] || [ -L "$file" ]; then echo "$name" && return; fi
  done
}
is_there cloud-init usr/bin/cloud-init usr/local/bin/cloud-init
is_there ignition usr/lib/dracut/modules.d/*ignition/ignition usr/bin/ignition
`;

/** Looks for them in an image of podman's store. */
export async function findReaders(podman: Podman, image: string, signal: AbortSignal): Promise<Readers> {
  const found = new Set((await podman.script(FIND_READERS, [image], { signal })).split("\n"));
  return { hasCloudInit: found.has("cloud-init"), hasIgnition: found.has("ignition") };
}
