import { withoutPointer } from "../../provider/errors";
import type { SyncedFolders } from "../../provider/schema/directory-sync";
import type { SyncRequest } from "../../provider/ssh/ssh";
import { readPlaces } from "../commands/cp";
import { UsageError } from "../trouble";
import { tellFailures } from "./machine";

/** Options of `mayfly sync`, as they were written. */
export interface SyncOptions {
  readonly watch?: true;
  readonly delete?: true;
  readonly exclude?: readonly string[];
  readonly owner?: string;
  readonly dryRun?: true;
  readonly json?: true;
}

/**
 * Reads what is to be made like what, by the schema and the checks of the resource `DirectorySync`: what that one does not
 * empty, neither does the command.
 *
 * @throws {UsageError} With all that is wrong.
 */
export async function readSync(
  source: string,
  target: string,
  options: SyncOptions,
): Promise<{ readonly name: string; readonly request: SyncRequest }> {
  const { names, places } = readPlaces([source, target]);
  const [name, ...others] = names;
  if (name === undefined || others.length > 0)
    throw new UsageError("one side must be in a VM, as NAME:PATH, the other here");
  const isUp = places[0]?.vm === undefined;
  if (options.watch === true && (!isUp || options.dryRun === true))
    throw new UsageError("--watch is for a folder of this host, and for real");
  const [here, there] = isUp ? [source, target] : [target, source];
  const inputs = {
    ...{ [isUp ? "source" : "download"]: here, remotePath: there.slice(name.length + 1) },
    ...{ exclude: [...(options.exclude ?? [])], deleteExtra: options.delete === true, fileOwner: options.owner },
  };
  const origins = new Map([
    ...Object.entries({ source: here, download: here, remotePath: there }),
    ...Object.entries({ deleteExtra: "--delete", exclude: "--exclude", fileOwner: "--owner" }),
  ]);
  return { name, request: await checked(inputs, origins) };
}

async function checked(inputs: object, origins: ReadonlyMap<string, string>): Promise<SyncRequest> {
  const [{ parse }, { syncedFoldersSchema }, { checkFolders, requestOf }] = await Promise.all([
    import("../../provider/engine/parse.js"),
    import("../../provider/schema/directory-sync.js"),
    import("../../provider/resources/directory-sync.js"),
  ]);
  const { value, failures } = parse(syncedFoldersSchema, inputs);
  if (failures.length > 0) throw tellFailures(failures, origins);
  const spec = value as SyncedFolders;
  const found = await checkFolders(spec);
  const inOurWords = (reason: string) => withoutPointer(reason).replace("CopyFile", "mayfly cp");
  if (found.length > 0)
    throw tellFailures(
      found.map((one) => ({ ...one, reason: inOurWords(one.reason) })),
      origins,
    );
  return requestOf(spec);
}
