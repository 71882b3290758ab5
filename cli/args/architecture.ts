import { architecture, type ArchitectureName } from "../../provider/schema/architecture";
import { UsageError } from "../trouble";

/** Reads the processor that `--arch` asks for. Throws a `UsageError`. */
export function readArchitecture(text: string | undefined): ArchitectureName | undefined {
  if (text === undefined) return undefined;
  const { data, error } = architecture.safeParse(text);
  if (data === undefined) throw new UsageError(`--arch ${text}: ${error.issues[0]?.message ?? ""}`);
  return data;
}
