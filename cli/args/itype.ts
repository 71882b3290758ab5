import { UsageError } from "../trouble";

/** CPUs and memory of a size by name. */
export interface InstanceType {
  readonly cpus: number;
  readonly memoryMiB: number;
}

/** The universal series of KubeVirt's common-instancetypes, by the names that it has there. */
const TYPES: Readonly<Record<string, InstanceType>> = {
  "u1.nano": { cpus: 1, memoryMiB: 512 },
  "u1.micro": { cpus: 1, memoryMiB: 1_024 },
  "u1.small": { cpus: 1, memoryMiB: 2_048 },
  "u1.medium": { cpus: 1, memoryMiB: 4_096 },
  "u1.2xmedium": { cpus: 2, memoryMiB: 4_096 },
  "u1.large": { cpus: 2, memoryMiB: 8_192 },
  "u1.xlarge": { cpus: 4, memoryMiB: 16_384 },
  "u1.2xlarge": { cpus: 8, memoryMiB: 32_768 },
  "u1.4xlarge": { cpus: 16, memoryMiB: 65_536 },
  "u1.8xlarge": { cpus: 32, memoryMiB: 131_072 },
};

/** The size that a name stands for. Throws a `UsageError` for a name that is none. Pure. */
export function instanceType(name: string): InstanceType {
  const found = Object.hasOwn(TYPES, name) ? TYPES[name] : undefined;
  if (found === undefined) throw new UsageError(`--itype ${name}: must be one of ${Object.keys(TYPES).join(", ")}`);
  return found;
}
