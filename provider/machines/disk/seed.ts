import { metaData } from "../cloud-init";
import type { Access, Identity } from "../spec";
import { doorFiles, doorScript } from "./door";
import { isoImage } from "./iso9660";

/** By this label of its file system cloud-init knows a seed. */
const LABEL = "CIDATA";

/**
 * The disk by which cloud-init (its source NoCloud) makes a guest a machine of its own.
 *
 * What is ours comes as vendor data, so that the user's own data stand by themselves, and win where both say something.
 * But for the door: a boothook is run whatever the user's data hold.
 *
 * @param userData The user's, if there are any.
 */
export function seedDisk(identity: Identity, access: Access, userData: string | undefined): Buffer {
  return isoImage(
    LABEL,
    new Map([
      ["meta-data", metaData(identity)],
      ["user-data", userData ?? "#cloud-config\n{}\n"],
      ["vendor-data", vendorData(identity, access)],
    ]),
  );
}

/** Two parts, in MIME's form; cloud-init takes a boothook for a part by its type. */
function vendorData(identity: Identity, access: Access): string {
  const config = {
    disable_root: false,
    // No user of the image's making, and no host keys of cloud-init's: each costs seconds, and none is used.
    users: [],
    ssh_keys: { ed25519_private: identity.hostPrivateKey, ed25519_public: identity.hostPublicKey },
    no_ssh_fingerprints: true,
  };
  const parts = {
    "text/cloud-config": `#cloud-config\n${JSON.stringify(config)}\n`,
    "text/cloud-boothook": doorScript(doorFiles(identity, access), identity),
  };
  const bodies = Object.entries(parts).map(([type, text]) => `--${BOUNDARY}\nContent-Type: ${type}\n\n${text}`);
  return `Content-Type: multipart/mixed; boundary="${BOUNDARY}"\nMIME-Version: 1.0\n\n${bodies.join("\n")}\n--${BOUNDARY}--\n`;
}

const BOUNDARY = "mayfly-part";
