import { z } from "zod";
import { text } from "./fields";
import { fileOwner, remotePath, target } from "./remote-fields";

/** Inputs of {@link DirectorySync}. Exactly one of `source` and `download`. */
export const directorySyncSchema = z
  .strictObject({
    /** Where to connect, and the VM. A new way to the same VM syncs nothing; a new VM means that all is synced again. */
    ...target,
    /**
     * Folder on this host that the VM's is made like, absolute or from the program's folder. A change in it shows in
     * `pulumi preview`, and `up` syncs it: of names, modes, link targets and contents, not of times alone.
     */
    source: text.optional(),
    /** Folder on the VM: absolute, or `~/…`. Made with those above it where they are missing. */
    remotePath,
    /**
     * Syncs the other way: this folder on this host is made like `remotePath`. A change on the VM is found by `pulumi
     * refresh`; to sync at a certain `up`, there are `triggers`.
     */
    download: text.optional(),
    /** Removes at the target what the source has not, as rsync's `--delete`. @default false */
    deleteExtra: z.boolean().default(false),
    /** Patterns as in a `.gitignore` file: what they match is neither synced nor removed. @default [] */
    exclude: z.array(text).default([]),
    /** `user`, `user:group` or `:group`, for all that is synced to the VM. @default who logs in */
    fileOwner: fileOwner.optional(),
    /** Values of your choice; a change of any syncs again. */
    triggers: z.array(z.unknown()).optional(),
    /**
     * How files travel: `rsync` where both sides have it, else by SFTP; `sftp` alone; `auto` takes rsync where it is worth
     * its start. @default "auto"
     */
    method: z.enum(["auto", "rsync", "sftp"], 'must be "auto", "rsync" or "sftp"').default("auto"),
    /**
     * Whether what was synced to the VM goes when this resource goes and the VM stays: of what is there, what the source
     * has at that time; with `deleteExtra` all but what is excluded. @default false
     */
    removeOnDelete: z.boolean().default(false),
    /** SHA-256 over `source` in hex. Found by ourselves; not for programs. */
    sourceHash: text.optional(),
  })
  .superRefine(refuseContradictions);

const { connection: _, vmId: __, ...folders } = directorySyncSchema.shape;

/** The folders alone, for the command, which finds the way to a VM by itself. */
export const syncedFoldersSchema = z.strictObject(folders).superRefine(refuseContradictions);

/** Two folders, checked, defaults filled in. */
export type SyncedFolders = z.output<typeof syncedFoldersSchema>;

function refuseContradictions(
  { source, download, deleteExtra, remotePath: path, fileOwner: owner, removeOnDelete }: Contradicting,
  context: z.RefinementCtx,
): void {
  const refuseIf = (isWrong: boolean, field: string, message: string) => {
    if (isWrong) context.addIssue({ code: "custom", path: [field], message });
  };
  const [isUp, isDown] = [source !== undefined, download !== undefined];
  refuseIf(!isUp && !isDown, "source", "is required: or else download");
  refuseIf(isUp && isDown, "download", "can't be set beside source: which of the two is made like the other?");
  refuseIf(isDown && owner !== undefined, "fileOwner", "is for folders on a VM; a downloaded one belongs to you");
  refuseIf(isDown && removeOnDelete, "removeOnDelete", "is for folders on a VM; a downloaded one is yours to remove");
  const isAll = path === "/" || path === "~";
  refuseIf(isUp && deleteExtra && isAll, "deleteExtra", `would empty ${path}, keys and all: name a folder in it`);
}

/** The fields that may contradict each other. */
interface Contradicting {
  readonly source?: string | undefined;
  readonly download?: string | undefined;
  readonly deleteExtra: boolean;
  readonly remotePath: string;
  readonly fileOwner?: string | undefined;
  readonly removeOnDelete: boolean;
}

/** What a program may write, and `sourceHash`. */
export type DirectorySyncInputs = z.input<typeof directorySyncSchema>;
/** Checked, defaults filled in. */
export type DirectorySyncSpec = z.output<typeof directorySyncSchema>;
