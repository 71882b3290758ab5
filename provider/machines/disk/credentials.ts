import type { Access, Identity } from "../spec";
import { doorFiles, doorTmpfiles } from "./door";

/**
 * What systemd (252 and later) is told by the firmware's tables, systemd.system-credentials(7): lines of tmpfiles.d(5) that
 * open the door before an SSH server starts. Holds the private host key, so it goes to QEMU as a file: its arguments are
 * there for all of the host to read.
 */
export function systemdCredential(identity: Identity, access: Access): string {
  const lines = doorTmpfiles(doorFiles(identity, access));
  return `io.systemd.credential.binary:tmpfiles.extra=${Buffer.from(lines).toString("base64")}`;
}
