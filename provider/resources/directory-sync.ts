import { createHash } from "node:crypto";
import { realpath, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { relative, resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { Context } from "../context";
import { MayflyError } from "../errors";
import { step } from "../host/progress";
import { directorySyncSchema, type DirectorySyncSpec, type SyncedFolders } from "../schema/directory-sync";
import type { Synced, SyncRequest } from "../ssh/ssh";
import { readSettled, writeSettled } from "../ssh/settled-files";
import { digestFolder, unreadableIn } from "../ssh/sync-digest";
import { diagnosed } from "./diagnosed";
import { isMachineGone, isMachineLeaving } from "./machine-gone";
import type { InputFailure, ResourceHandler } from "./resource";
import { ignoredWay, isElsewhere } from "./target";
import { endpointNow, endpointOf } from "./vm-connection";

/** What is known of two folders that are kept in step. */
interface DirectorySyncState {
  /** As it was seen last: by the last sync, or by a refresh after it. */
  readonly status: "in step" | "out of step";
  /** Number of files in the source, at the last sync. */
  readonly files: number;
  /** Their size in bytes. */
  readonly size: number;
  /** When the last sync began, in seconds since 1970 by the clock of this host. */
  readonly syncedAt: number;
}

type Saved = DirectorySyncState & DirectorySyncSpec;

/** Inputs that change what is at the target. A change of others is only remembered. */
const SYNC_ON_CHANGES = ["sourceHash", "download", "deleteExtra", "exclude", "fileOwner", "triggers"] as const;

/** The life of a folder that is kept like another one. */
export const directorySync: ResourceHandler<typeof directorySyncSchema, DirectorySyncState> = {
  schema: directorySyncSchema,
  replaceOnChanges: ["vmId", "remotePath"],
  ignoreChanges: (wanted) => [...ignoredWay(wanted), "method"],
  identityInputs: ["vmId"],
  deadlines: { check: 7_200, create: 7_200, update: 7_200, read: 7_200, delete: 600 },

  check: checkFolders,

  async derive({ source, exclude }, { say }) {
    if (source === undefined || exclude === undefined) return {};
    const digest = async () => digestFolder(resolve(source), exclude);
    return { sourceHash: await step(say, `Reading ${source}`, digest) };
  },

  async foresee(state, inputs, context) {
    if (await isMachineGone(inputs, context)) return undefined;
    const request = await requestNow(state, inputs, context);
    return (await context.ssh.previewSync(await endpointOf(inputs, context), request, context.signal)).summary;
  },

  create: (_id, inputs, context) => synchronise(undefined, inputs, context),

  async read(_id, state: DirectorySyncState & Partial<DirectorySyncSpec>, context) {
    const saved = state as Saved;
    if (await isMachineGone(saved, context)) return undefined;
    const reason = await differenceOf(saved, context);
    if (reason !== undefined) context.say(`out of step: ${reason}`);
    return { ...outputsOf(saved), status: reason === undefined ? "in step" : "out of step" };
  },

  needsUpdate: async (_id, { status }) => status !== "in step",

  async update(_id, state, inputs, context) {
    const isDue = SYNC_ON_CHANGES.some((field) => !isDeepStrictEqual(state[field], inputs[field]));
    if (!isDue && state.status === "in step" && !isElsewhere(state, inputs)) return outputsOf(state);
    return synchronise(state, inputs, context);
  },

  // Else the old one would take with it what the new one has brought to a folder within it.
  deleteFirst: (old, next) => old.removeOnDelete && isNested(old.remotePath, next.remotePath),

  async delete(_id, state, context) {
    await rememberSettled(state, undefined, context);
    if (!state.removeOnDelete || (await isMachineLeaving(state, context))) return;
    try {
      await context.ssh.removeSynced(await endpointNow(state, context), requestOf(state), context.signal);
    } catch (error) {
      if (!(await isMachineGone(state, context))) throw error; // else it went while we tried
    }
  },
};

async function synchronise(
  state: Saved | undefined,
  inputs: DirectorySyncSpec,
  context: Context,
): Promise<DirectorySyncState> {
  const { source, sourceHash, exclude, remotePath, download } = inputs;
  const { signal, say } = context;
  const endpoint = await endpointOf(inputs, context);
  const syncedAt = Math.floor(Date.now() / 1_000);
  const request = await requestNow(state, inputs, context);
  await rememberSettled(inputs, undefined, context); // one that fails half-way leaves what nobody knows
  const work = () => context.ssh.sync(endpoint, request, signal);
  const { files, size, settled } = await context.step(`Syncing ${download ?? remotePath}`, () =>
    diagnosed({ id: inputs.vmId, endpoint }, context, work),
  );
  // A source that has changed since the check is not what the state says of it: the next `up` shall look again.
  const isAsChecked = source === undefined || (await digestFolder(resolve(source), exclude)) === sourceHash;
  if (!isAsChecked) say("the source changed meanwhile; the next `pulumi up` syncs the rest");
  await rememberSettled(inputs, settled, context);
  return { status: isAsChecked ? "in step" : "out of step", files, size, syncedAt };
}

/**
 * A sync that is due. Times of change alone are believed by a refresh only: here somebody knows that something differs, or
 * may. So all files of the same size are compared, but for those that are the very ones which were synced last.
 */
async function requestNow(state: Saved | undefined, inputs: DirectorySyncSpec, context: Context): Promise<SyncRequest> {
  const isKnown = state?.status === "in step" && !isElsewhere(state, inputs);
  const isAsked = !isDeepStrictEqual(state?.triggers, inputs.triggers); // a trigger may stand for anything
  const settled = isKnown && !isAsked ? await rememberedSettled(inputs, context) : new Map<string, string>();
  return { ...requestOf(inputs, isKnown ? state.syncedAt : undefined), settled };
}

/**
 * What the files were that were synced last to a VM. Nothing where nobody has written that down on this host, as for a host
 * that is no VM of ours: that costs a comparison of all files of the same size.
 */
async function rememberedSettled(inputs: DirectorySyncSpec, context: Context): Promise<Synced["settled"]> {
  const file = settledFile(inputs, context);
  return file === undefined ? new Map() : readSettled(file);
}

async function rememberSettled(
  inputs: DirectorySyncSpec,
  settled: Synced["settled"] | undefined,
  context: Context,
): Promise<void> {
  const file = settledFile(inputs, context);
  if (file !== undefined) await writeSettled(file, settled);
}

/** In the VM's own folder, with which it goes. */
function settledFile({ vmId, source, remotePath }: DirectorySyncSpec, { machines }: Context): string | undefined {
  if (vmId === undefined || source === undefined) return undefined;
  const name = createHash("sha256")
    .update(JSON.stringify([resolve(source), remotePath]))
    .digest("hex");
  return machines.file(vmId, `settled-${name.slice(0, 16)}.json`);
}

/** What differs between the two folders now, in words. */
async function differenceOf(saved: Saved, context: Context): Promise<string | undefined> {
  const { ssh, signal } = context;
  try {
    const seen = await ssh.previewSync(await endpointNow(saved, context), requestOf(saved, saved.syncedAt), signal);
    return seen.isChange ? seen.summary : undefined;
  } catch (error) {
    if (error instanceof MayflyError && error.code === "NOT_FOUND") return "the source is gone";
    throw error;
  }
}

/** What is to be synced, as the connection takes it. @param lastBegun As there. */
export function requestOf(inputs: SyncedFolders, lastBegun?: number): SyncRequest {
  const { source, download, remotePath, exclude, deleteExtra: removes, fileOwner: owner, method } = inputs;
  return {
    ...{ remotePath, exclude, removes, owner, lastBegun },
    direction: download === undefined ? "up" : "down",
    localPath: resolve(download ?? source ?? ""),
    by: method === "auto" ? undefined : method,
  };
}

function outputsOf({ status, files, size, syncedAt }: DirectorySyncState): DirectorySyncState {
  return { status, files, size, syncedAt };
}

/** Whether one path may be within the other; the same one is no reason to move. */
function isNested(one: string, other: string): boolean {
  if (one.startsWith("~") !== other.startsWith("~")) return true; // only the VM knows where its homes are
  const [shorter, longer] = one.length < other.length ? [one, other] : [other, one];
  return shorter !== longer && (shorter === "/" || longer.startsWith(`${shorter}/`));
}

/** What only a look at this host's folders can tell; for the command, too. */
export async function checkFolders(inputs: SyncedFolders): Promise<InputFailure[]> {
  return [...(await checkSource(inputs)), ...(await checkDownload(inputs))];
}

async function checkSource({ source, exclude }: SyncedFolders): Promise<InputFailure[]> {
  if (source === undefined) return [];
  const path = resolve(source);
  const seen = await stat(path).catch(() => undefined);
  if (seen?.isDirectory() !== true) {
    const found = seen === undefined ? "does not exist" : "is a file: for those there is CopyFile";
    return [{ property: "source", reason: `must be a folder on this host; ${path} ${found}` }];
  }
  const reason = await unreadableIn(path, exclude);
  return reason === undefined ? [] : [{ property: "source", reason }];
}

async function checkDownload({ download, deleteExtra }: SyncedFolders): Promise<InputFailure[]> {
  if (download === undefined) return [];
  const path = resolve(download);
  const seen = await stat(path).catch(() => undefined);
  if (seen?.isDirectory() === false)
    return [{ property: "download", reason: `must be a folder on this host; ${path} is a file` }];
  const endangered = deleteExtra ? await endangeredBy(path) : undefined;
  if (endangered === undefined) return [];
  return [{ property: "deleteExtra", reason: `would remove what else is in ${path}, ${endangered} among it` }];
}

/** The home, or the folder that one is in, where it would go with what else is in a folder: also by way of a link. */
async function endangeredBy(folder: string): Promise<string | undefined> {
  const real = async (path: string) => realpath(path).catch(() => path);
  const target = await real(folder);
  for (const path of [process.cwd(), homedir()]) if (isWithin(await real(path), target)) return path;
  return undefined;
}

function isWithin(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way !== ".." && !way.startsWith("../");
}
