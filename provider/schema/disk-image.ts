import { parseAllowed } from "./allow";
import { parseAddress } from "./ipv4";

/** The fields of a VM that tell whether it boots from a disk image. */
interface Imaged {
  /** At a check it may be missing, or anything. */
  readonly image?: unknown;
  readonly fromDisk: boolean;
}

/** Whether a VM boots by the loader of a disk image, so that nothing of ours runs in its guest. */
export function bootsFromDisk({ image, fromDisk }: Imaged): boolean {
  return fromDisk || String(image).startsWith("localhost/mayfly/disk");
}

/** The fields that such a VM cannot have, or not so. */
interface Fields extends Imaged {
  readonly mounts: readonly unknown[];
  readonly networks: readonly unknown[];
  readonly allow: readonly string[];
  readonly kernelArgs: readonly unknown[];
  readonly disks: readonly unknown[];
  readonly swap?: number | undefined;
  readonly systemdUnits: Readonly<Record<string, string>>;
  readonly warmBoot: string;
  readonly waitFor: string;
}

/** Whether an entry of `allow` has a host's name; one that is wrong has its own message. */
function isNamed(entry: string): boolean {
  const host = parseAllowed(entry)?.host;
  return host !== undefined && parseAddress(host) === undefined;
}

type Failures = readonly (readonly [field: string, message: string])[];

/**
 * What is wrong with the fields of a VM that boots from a disk image, by field. No rule of the schema: those across several
 * fields wait until all of them are known, and at preview the image's name is not.
 */
export function diskImageFailures(vm: Fields): Failures {
  if (!bootsFromDisk(vm)) return [];
  const lists = {
    mounts: "can't be: the guest of a disk image mounts nothing of the host; use CopyFile or DirectorySync",
    networks: "can't be: a VM of a disk image is in no private network; `ports` reach it from this host",
    kernelArgs: "can't be: a disk image has a boot loader of its own, which has the kernel's command line",
    disks: "can't be: the guest of a disk image sees no disk but its own; `disk` makes that larger",
  } as const;
  const wrong = Object.entries(lists).filter(([field]) => vm[field as keyof typeof lists].length > 0);
  const hasUnits = Object.keys(vm.systemdUnits).length > 0;
  const named = vm.allow.flatMap((entry, index) => (isNamed(entry) ? [`allow[${String(index)}]`] : []));
  return [
    ...wrong,
    ...named.map(
      (field) => [field, "must be an address: the guest of a disk image has no names, and no resolver"] as const,
    ),
    ...(vm.swap === undefined
      ? []
      : [["swap", "can't be: the guest of a disk image has the swap that is on it"] as const]),
    ...(hasUnits
      ? [
          [
            "systemdUnits",
            "can't be: nothing of ours runs in the guest of a disk image; use CopyFile, or userData",
          ] as const,
        ]
      : []),
    ...(vm.warmBoot === "required"
      ? [["warmBoot", 'must be "auto" or "never": a disk image boots by its own loader, not from a template'] as const]
      : []),
    ...(vm.waitFor === "none"
      ? [
          [
            "waitFor",
            'must be "ssh" or "systemd": who may log in to a disk image\'s guest is settled over SSH',
          ] as const,
        ]
      : []),
  ];
}
