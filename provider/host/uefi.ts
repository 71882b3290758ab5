import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { MayflyError } from "../errors";

/** UEFI firmware of this host, for a machine of type q35. */
export interface UefiFirmware {
  /** The firmware itself; read-only. */
  readonly code: string;
  /** Its settings as they are at first: each machine writes to a copy of its own. */
  readonly settings: string;
}

/** Where distributions describe their firmware for QEMU: docs/interop/firmware.json there has the form. */
const DESCRIPTIONS = "/usr/share/qemu/firmware";

interface Description {
  readonly "interface-types": readonly string[];
  readonly mapping: {
    readonly device: string;
    readonly executable?: { readonly filename: string; readonly format: string };
    readonly "nvram-template"?: { readonly filename: string; readonly format: string };
  };
  readonly targets: readonly { readonly architecture: string; readonly machines: readonly string[] }[];
  readonly features: readonly string[];
}

/**
 * Finds UEFI firmware without Secure Boot, which would refuse most images' loaders.
 *
 * @throws {MayflyError} `TOOL_MISSING` when none is installed.
 */
export function findUefi(folder = DESCRIPTIONS): UefiFirmware {
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".json")) : [];
  const found = names.sort().map((name) => suitable(readFileSync(join(folder, name), "utf8")));
  const firmware = found.find((one) => one !== undefined);
  if (firmware !== undefined) return firmware;
  throw new MayflyError("TOOL_MISSING", "UEFI firmware for virtual machines is not installed on this host", {
    evidence: `${folder} describes none for x86_64 without Secure Boot`,
    remedy: "sudo apt-get install ovmf   (Fedora, Arch: edk2-ovmf; openSUSE: qemu-ovmf-x86_64)",
  });
}

function suitable(text: string): UefiFirmware | undefined {
  const { "interface-types": types, mapping, targets, features } = JSON.parse(text) as Description;
  const { device, executable, "nvram-template": settings } = mapping;
  if (device !== "flash" || executable?.format !== "raw" || settings?.format !== "raw") return undefined;
  const isForUs = targets.some(
    ({ architecture, machines }) => architecture === "x86_64" && machines.some((name) => name.startsWith("pc-q35")),
  );
  const isPlain = !features.some((feature) => ["secure-boot", "requires-smm", "amd-sev-es"].includes(feature));
  if (!isForUs || !isPlain || !types.includes("uefi") || !existsSync(executable.filename)) return undefined;
  return { code: executable.filename, settings: settings.filename };
}
