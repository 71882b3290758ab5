import { z } from "zod";
import { cpus, disk, kernelArgs, memory } from "../../provider/schema/machine-shape";
import { UsageError } from "../trouble";
import { numeric } from "./number";

/** `--memory`, `--cpus`, `--disk` and `--karg`, as they were written. */
export interface ShapeOptions {
  readonly memory?: string;
  readonly cpus?: string;
  readonly disk?: string;
  readonly karg?: readonly string[];
  /** Read by itself. */
  readonly arch?: string;
}

const shape = z.object({ memory, cpus, disk, karg: kernelArgs });

/** Checks these options as the fields of a VM, and fills in its defaults. Throws a `UsageError` with all that is wrong. */
export function readShape(options: ShapeOptions): z.output<typeof shape> {
  const asked = { memory: numeric(options.memory), cpus: numeric(options.cpus), disk: numeric(options.disk) };
  const parsed = shape.safeParse({ ...asked, karg: options.karg });
  if (parsed.success) return parsed.data;
  throw new UsageError(
    parsed.error.issues.map(({ path, message }) => `--${String(path[0])}: ${message}`).join("\n       "),
  );
}
