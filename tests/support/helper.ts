import { join } from "node:path";
import { ARCHITECTURES, hostArchitecture } from "../../provider/architectures";

/** Where the guest's helper is, built for each architecture, and its sources. */
export const HELPER_FOLDER = join(__dirname, "..", "..", "provider", "guest", "helper");

/** Where the library is that the guest's door is given, likewise. */
export const PAM_AHEAD_FOLDER = join(HELPER_FOLDER, "..", "pam-ahead");

/** The helper that runs on this host. */
export const HELPER = join(HELPER_FOLDER, `helper-${ARCHITECTURES[hostArchitecture()].kernelName}`);
