import { z } from "zod";
import { cpus, disk, memory } from "../../provider/schema/machine-shape";
import { field } from "./field";

/** `--memory`, `--cpus` and `--disk`, as the fields of a VM. */
export const shape = {
  memory: field(memory.unwrap()),
  disk: field(disk.unwrap()),
  cpus: field(z.coerce.number().pipe(cpus.unwrap())),
};
