import { ARCHITECTURES, findArchitecture, hostArchitecture, type Architecture } from "../architectures";
import { MayflyError } from "../errors";
import { findContainerProgram, findProgram } from "../host/podman";
import { toolMissing } from "../host/tool-error";
import { findEmulator } from "./emulator";

/**
 * The processor that a machine of an image has. QEMU for it must be there: found out here, before anything is made.
 *
 * @param name As the image says; empty: it does not, and is taken to be for this host's.
 * @throws {MayflyError} `IMAGE_NOT_BOOTABLE` where machines can't have it, `TOOL_MISSING` where QEMU for it is not installed.
 */
export function checkArchitecture(name: string): Architecture {
  const architecture = findArchitecture(name === "" ? hostArchitecture() : name);
  if (architecture === undefined) {
    const known = Object.keys(ARCHITECTURES);
    throw new MayflyError("IMAGE_NOT_BOOTABLE", `the image is for ${name}; machines are ${known.join(" or ")}`, {
      evidence: `podman image inspect says: "Architecture": "${name}"`,
      remedy: `take another form of the image: podman pull --arch ${hostArchitecture()} NAME`,
    });
  }
  if (findContainerProgram(architecture.qemu) === undefined) throw noQemu(architecture);
  return architecture;
}

/**
 * The errors for programs that an image for an architecture needs, and that are not installed on this host.
 *
 * @param isMade Whether it is made here, of packages that are for it.
 */
export function missingFor(name: Architecture["name"], isMade: boolean): MayflyError[] {
  const architecture = ARCHITECTURES[name];
  const missing = findContainerProgram(architecture.qemu) === undefined ? [noQemu(architecture)] : [];
  if (isMade && name !== hostArchitecture()) {
    if (findProgram("arch-test") === undefined) missing.push(toolMissing("arch-test"));
    if (findEmulator(architecture) === undefined) missing.push(toolMissing(`qemu-${architecture.kernelName}-static`));
  }
  return missing;
}

function noQemu({ name, qemu, qemuPackage }: Architecture): MayflyError {
  return new MayflyError("TOOL_MISSING", `the image is for ${name}, and QEMU for that is not installed on this host`, {
    evidence: `${qemu} is not in PATH=${process.env["PATH"] ?? ""}`,
    remedy: `sudo apt-get install ${qemuPackage}   (or your distribution's package that holds ${qemu})`,
  });
}
