import type { VMInputs } from "../../provider/schema/vm";
import { UsageError } from "../trouble";

/** One of a VM's disks, as a program would write it. */
type DiskInput = NonNullable<VMInputs["disks"]>[number];

const DEFAULT_NAME = "output"; // as bcvk has it

/** Reads `FILE[:NAME[:FORMAT]]`; a colon before the last slash belongs to the file. Pure. */
export function readDisk(text: string): DiskInput {
  const folder = text.slice(0, text.lastIndexOf("/") + 1);
  const [file = "", name = DEFAULT_NAME, format = formatOf(file), ...more] = text.slice(folder.length).split(":");
  if (file === "" || name === "" || more.length > 0 || (format !== "raw" && format !== "qcow2"))
    throw new UsageError(
      `--mount-disk-file ${text}: must be FILE, FILE:NAME or FILE:NAME:FORMAT, where FORMAT is raw or qcow2`,
    );
  return { source: folder + file, name, format };
}

function formatOf(file: string): "raw" | "qcow2" {
  return file.endsWith(".qcow2") ? "qcow2" : "raw";
}
