import type { Context } from "../context";
import { MayflyError } from "../errors";
import type { StoredDisk } from "../images/disk";
import type { StoredImage } from "../images/store";
import { bootsFromDisk } from "../schema/disk-image";
import type { VMSpec } from "../schema/vm";
import type { Endpoint } from "../ssh/endpoint";
import type { InputFailure } from "./resource";

// What a user gives for a guest's first boot, and who reads it there: `userData` cloud-init, `ignition` Ignition.

/** Whether a VM is given something of the kind: then its first boot is one through the kernel, as it is what they are for. */
export function hasFirstBoot({ userData, ignition }: Pick<VMSpec, "userData" | "ignition">): boolean {
  return userData !== undefined || ignition !== undefined;
}

/** A reader that an image lacks. */
interface Lack {
  readonly field: "userData" | "ignition";
  readonly reader: string;
  /** Where it was looked for. */
  readonly evidence: string;
}

const CLOUD_INIT = { field: "userData", reader: "cloud-init", evidence: "it has no /usr/bin/cloud-init" } as const;
const IGNITION = {
  ...({ field: "ignition", reader: "Ignition" } as const),
  evidence: "it has neither /usr/lib/dracut/modules.d/*ignition/ignition nor /usr/bin/ignition",
};

/** What an OCI image lacks of the readers that a VM needs. What a disk image has shows only when its guest is up. */
async function lackingReaders(
  inputs: VMSpec,
  image: StoredImage | StoredDisk,
  { images, signal }: Pick<Context, "images" | "signal">,
): Promise<readonly Lack[]> {
  if ("disk" in image || !hasFirstBoot(inputs)) return [];
  const { hasCloudInit, hasIgnition } = await images.readers(image, signal);
  return [...(hasCloudInit ? [] : [CLOUD_INIT]), ...(hasIgnition ? [] : [IGNITION])].filter(
    ({ field }) => inputs[field] !== undefined,
  );
}

function remedyFor({ field, reader }: Lack): string {
  return `install the package ${reader.toLowerCase()} in the image, or leave ${field} out`;
}

/**
 * What is wrong with a VM's readers, by field, where that is known before the boot. For previews: changes nothing, and an
 * image that is not here yet lacks nothing.
 */
export async function checkReaders(
  inputs: VMSpec,
  context: Pick<Context, "images" | "signal">,
): Promise<readonly InputFailure[]> {
  if (!hasFirstBoot(inputs) || bootsFromDisk(inputs)) return [];
  // What is wrong with a name, or with podman, is not said here.
  const image = await context.images.find(inputs.image, context.signal).catch(() => undefined);
  const lacks = image === undefined ? [] : await lackingReaders(inputs, image, context);
  return lacks.map((lack) => ({
    property: lack.field,
    reason: `needs ${lack.reader} in the image: ${lack.evidence}; ${remedyFor(lack)}`,
  }));
}

/** Throws `BAD_INPUT` where the image of a VM that is to be made has no reader for what it is given. */
export async function needReadersIn(
  inputs: VMSpec,
  image: StoredImage | StoredDisk,
  context: Pick<Context, "images" | "signal">,
): Promise<void> {
  const [lack] = await lackingReaders(inputs, image, context);
  if (lack === undefined) return;
  throw new MayflyError("BAD_INPUT", `${lack.field} needs ${lack.reader} in the image`, {
    evidence: lack.evidence,
    remedy: remedyFor(lack),
  });
}

/**
 * Waits until cloud-init has done what `userData` asks: who works with the VM next counts on it.
 *
 * @throws {MayflyError} `BOOT_FAILED` where it could not, or did not run; `BOOT_TIMEOUT`.
 */
export async function waitForCloudInit(
  inputs: VMSpec,
  to: Endpoint,
  { ssh, say }: Pick<Context, "ssh" | "say">,
  signal: AbortSignal,
): Promise<void> {
  if (inputs.userData === undefined) return;
  let said: Answer;
  try {
    said = await ssh.exec(to, { command: WAIT }, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new MayflyError("BOOT_TIMEOUT", `cloud-init was not done within ${String(inputs.bootTimeout)} s`, {
      evidence: "the guest is up, and `cloud-init status --wait` still waits",
      remedy: "raise bootTimeout; or take out of userData what waits for something that never comes",
      cause: error,
    });
  }
  judge(said, say);
}

/** What cloud-init has come to, by its own words: see {@link waitForCloudInit}. */
function judge({ stdout, exitCode }: Answer, say: Context["say"]): void {
  const evidence = stdout.trim();
  const [status = ""] = /(?<=^status: ).+/m.exec(stdout) ?? [];
  if (status === "done") {
    if (exitCode === DEGRADED) say(`warning: userData: cloud-init has done its work, but complains:\n${evidence}`);
    return;
  }
  if (status === "error") {
    throw new MayflyError("BOOT_FAILED", "cloud-init could not do all that userData asks", {
      evidence,
      remedy: 'mend in userData what it names; with waitFor "none" the VM stays as it is, to be looked at',
    });
  }
  throw new MayflyError("BOOT_FAILED", "userData needs cloud-init in the guest, and it has not run", {
    evidence: evidence === "" ? "`cloud-init status` says nothing" : evidence,
    remedy: "enable cloud-init in the image (/etc/cloud/cloud-init.disabled, its units), or leave userData out",
  });
}

interface Answer {
  readonly stdout: string;
  readonly exitCode: number | undefined;
}

const DEGRADED = 2; // of cloud-init 23.4 and later: it went on after errors
const LAST_LINES = 8;

/**
 * Prints cloud-init's own words on how it ended, and after an error the last that its commands have said. One call for
 * both, as each costs two seconds under emulation; while it waits it prints dots.
 */
const WAIT = `
said=$(cloud-init status --wait --long 2>/dev/null)
code=$?
printf '%s\\n' "$said" | sed 's/^\\.*//; /^$/d'
if [ $code = 1 ]; then tail -n ${String(LAST_LINES)} /var/log/cloud-init-output.log 2>/dev/null; fi
exit $code
`;
