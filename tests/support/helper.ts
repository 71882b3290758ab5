import { join } from "node:path";
import { ARCHITECTURES, hostArchitecture } from "../../provider/architectures";

/** Where the guest's helper is, built for each architecture, and its sources. */
export const HELPER_FOLDER = join(__dirname, "..", "..", "provider", "guest", "helper");

/** The one that runs on this host. */
export const HELPER = join(HELPER_FOLDER, `helper-${ARCHITECTURES[hostArchitecture()].kernelName}`);
