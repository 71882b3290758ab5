import type { Records } from "../host/records";
import type { MachineRecord } from "./record";
import type { Templates } from "./templates";

/** Keys of the templates that machines run from. */
export async function templatesInUse(records: Records<MachineRecord>): Promise<ReadonlySet<string>> {
  return new Set([...(await records.list()).values()].flatMap(({ template }) => template ?? []));
}

/** Versions of the boot artefacts that machines and templates were made from, but for templates that are to go. */
export async function bootsInUse(
  records: Records<MachineRecord>,
  templates: Templates,
  doomed: ReadonlySet<string>,
): Promise<string[]> {
  const machines = [...(await records.list()).values()].flatMap(({ boot }) => boot ?? []);
  const kept = (await templates.list()).filter(({ key }) => !doomed.has(key));
  const saved = kept.map(({ shape }) => shape["boot"] as string);
  return [...new Set([...machines, ...saved])];
}
