import { bootsFromDisk } from "./disk-image";
import { text } from "./fields";
import type { Complain } from "./rule";

// What a user gives for a guest's first boot.

const MOST_BYTES = 524_288; // it travels on the identity disk, which has one size; files have CopyFile

const limited = text.refine(
  (value) => Buffer.byteLength(value) <= MOST_BYTES,
  "must be at most 512 KiB: larger files come by CopyFile, or by an address in it",
);

/** Data for cloud-init. */
export const userData = limited;

/** Configuration for Ignition. */
export const ignition = limited.refine(
  (value) => configOf(value)?.ignition?.version !== undefined,
  'must be a configuration as JSON, which has `{"ignition": {"version": …}}`; `butane` makes one of its YAML',
);

interface Config {
  readonly ignition?: { readonly version?: string };
  readonly kernelArguments?: unknown;
}

function configOf(json: string): Config | undefined {
  try {
    return JSON.parse(json) as Config;
  } catch {
    return undefined;
  }
}

interface Fields {
  readonly image: string;
  readonly fromDisk: boolean;
  readonly warmBoot: string;
  readonly userData?: string | undefined;
  readonly ignition?: string | undefined;
}

/** What goes against a first boot with them; a rule of the schema. */
export function checkFirstBoot(vm: Fields, complain: Complain): void {
  if (vm.ignition !== undefined && !bootsFromDisk(vm) && configOf(vm.ignition)?.kernelArguments !== undefined)
    complain(["ignition"], "can't have kernelArguments here: the VM's own kernelArgs are the kernel's command line");
  for (const field of ["userData", "ignition"] as const)
    if (vm[field] !== undefined && vm.warmBoot === "required")
      complain(["warmBoot"], `must be "auto" or "never" with ${field}: a template has had its first boot already`);
}
