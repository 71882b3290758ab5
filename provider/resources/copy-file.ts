import { open, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { Context } from "../context";
import { step } from "../host/progress";
import { copyFileSchema, type CopyFileSpec } from "../schema/copy-file";
import { hashFile } from "../ssh/local-files";
import { diagnosed } from "./diagnosed";
import { isMachineGone, isMachineLeaving } from "./machine-gone";
import type { InputFailure, ResourceHandler } from "./resource";
import { ignoredWay, isElsewhere } from "./target";
import { endpointNow, endpointOf } from "./vm-connection";

/** What is known of a file that was copied. */
interface CopyFileState {
  /** SHA-256 of its content, in hex. */
  readonly sha256: string;
  /** Its size in bytes. */
  readonly size: number;
}

/** Inputs that change what lies there. A change of others is only remembered. */
const COPY_ON_CHANGES = ["source", "sourceHash", "content", "download", "mode", "fileOwner", "triggers"] as const;

/** The life of a copied file. */
export const copyFile: ResourceHandler<typeof copyFileSchema, CopyFileState> = {
  schema: copyFileSchema,
  replaceOnChanges: ["vmId", "remotePath"],
  ignoreChanges: ignoredWay,
  identityInputs: ["vmId"],
  deadlines: { check: 7_200, create: 7_200, update: 7_200, read: 7_200, delete: 120 }, // a disk image takes its time

  check: async ({ source, download }) => [
    ...(source === undefined ? [] : await checkSource(resolve(source))),
    ...(download === undefined ? [] : await checkDownload(resolve(download))),
  ],

  async derive({ source }, { say }) {
    if (typeof source !== "string" || source === "") return {};
    return { sourceHash: await step(say, `Reading ${source}`, async () => hashFile(resolve(source))) };
  },

  create: (_id, inputs, context) => copy(inputs, context),

  async read(_id, state: CopyFileState & Partial<CopyFileSpec>, context) {
    const saved = state as CopyFileState & CopyFileSpec;
    if (await isMachineGone(saved, context)) return undefined;
    const seen = await look(saved, context);
    const { sha256, size } = saved;
    if (seen === sha256) return { sha256, size };
    context.say(`drifted: ${placeOf(saved)} ${seen === undefined ? "is gone" : "has another content"}`);
    return undefined;
  },

  async update(_id, state, inputs, context) {
    const isChanged =
      isElsewhere(state, inputs) || COPY_ON_CHANGES.some((field) => !isDeepStrictEqual(state[field], inputs[field]));
    return isChanged ? copy(inputs, context) : { sha256: state.sha256, size: state.size };
  },

  async delete(_id, state, context) {
    const isOurs = state.removeOnDelete && state.download === undefined; // a downloaded file is the user's
    if (!isOurs || (await isMachineLeaving(state, context))) return;
    try {
      await context.ssh.removeFile(await endpointNow(state, context), state.remotePath, context.signal);
    } catch (error) {
      if (!(await isMachineGone(state, context))) throw error; // else it went while we tried
    }
  },
};

async function copy(inputs: CopyFileSpec, context: Context): Promise<CopyFileState> {
  const { source, content, download, remotePath, fileOwner: owner, sourceHash } = inputs;
  const { ssh, signal } = context;
  const endpoint = await endpointOf(inputs, context);
  const mode = inputs.mode === undefined ? undefined : Number.parseInt(inputs.mode, 8);
  const work = async () => {
    if (download !== undefined)
      return ssh.download(endpoint, { remotePath, localPath: resolve(download), mode }, signal);
    const bytes = source === undefined ? Buffer.from(content ?? "") : resolve(source);
    return ssh.upload(endpoint, { source: bytes, remotePath, mode, owner, sha256: sourceHash }, signal);
  };
  return context.step(`Copying ${placeOf(inputs)}`, () => diagnosed({ id: inputs.vmId, endpoint }, context, work));
}

/** The hash of what lies at the copy's place now; `undefined` when there is nothing. */
async function look(saved: CopyFileSpec, context: Context): Promise<string | undefined> {
  const { download, remotePath } = saved;
  if (download !== undefined) return hashFile(resolve(download));
  return (await context.ssh.fingerprint(await endpointNow(saved, context), remotePath, context.signal))?.sha256;
}

function placeOf({ download, remotePath }: CopyFileSpec): string {
  return download ?? remotePath;
}

async function checkSource(path: string): Promise<InputFailure[]> {
  const seen = await stat(path).catch(() => undefined);
  if (seen?.isFile() === true) {
    const unreadable = await reasonNotToOpen(path); // access(2) does not see all reasons
    if (unreadable === undefined) return [];
    return [{ property: "source", reason: `can't be read: ${unreadable}; look at its rights: ls -l ${path}` }];
  }
  const isFolder = seen?.isDirectory() === true;
  const found = isFolder ? "is a directory: for those there is DirectorySync" : "does not exist";
  return [{ property: "source", reason: `must be a file on this host; ${path} ${found}` }];
}

async function reasonNotToOpen(path: string): Promise<string | undefined> {
  try {
    await (await open(path, "r")).close();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

async function checkDownload(path: string): Promise<InputFailure[]> {
  const seen = await stat(path).catch(() => undefined);
  if (seen?.isDirectory() !== true) return [];
  return [
    { property: "download", reason: `must be a file on this host; ${path} is a directory: name the file within it` },
  ];
}
