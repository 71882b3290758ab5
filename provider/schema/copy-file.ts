import { z } from "zod";
import { text } from "./fields";
import { fileMode, fileOwner, remotePath, target } from "./remote-fields";

/** Inputs of {@link CopyFile}. Exactly one of `source`, `content` and `download`. */
export const copyFileSchema = z
  .strictObject({
    /** Where to connect, and the VM. A new way to the same VM copies nothing; a new VM means that it is copied again. */
    ...target,
    /** Path of the file on this host, absolute or from the program's folder. A change of its content copies it again. */
    source: text.optional(),
    /** The file's content, instead of `source`. */
    content: z.string().optional(),
    /** Copies the other way: from `remotePath` to this path on this host. */
    download: text.optional(),
    /** Path on the VM: absolute, or `~/…`. Folders above it that are missing are made. A link there is replaced. */
    remotePath,
    /**
     * Permission bits, such as `"0640"`. @default those of the file that is copied; "0644" for `content`; of a `download`
     * without setuid, setgid, and what the umask takes away
     */
    mode: fileMode.optional(),
    /** `user`, `user:group` or `:group`; also of the folders that are made. @default who logs in */
    fileOwner: fileOwner.optional(),
    /** Values of your choice; a change of any copies again. The way to say when a download is due. */
    triggers: z.array(z.unknown()).optional(),
    /** Whether the copy goes when this resource goes and the VM stays. @default false: it stays, as with `CopyToRemote` */
    removeOnDelete: z.boolean().default(false),
    /** SHA-256 of `source` in hex. Found by ourselves; not for programs. */
    sourceHash: text.optional(),
  })
  .superRefine((inputs, context) => {
    const given = (["source", "content", "download"] as const).filter((field) => inputs[field] !== undefined);
    const refuse = (path: string, message: string) => {
      context.addIssue({ code: "custom", path: [path], message });
    };
    if (given.length === 0) refuse("source", "is required: or else content, or download");
    if (given.length > 1) refuse(given[1] ?? "", `can't be set beside ${given[0] ?? ""}: what is to be copied?`);
    if (inputs.download !== undefined && inputs.fileOwner !== undefined)
      refuse("fileOwner", "is for copies to a VM; a downloaded file belongs to you");
  });

/** What a program may write, and `sourceHash`. */
export type CopyFileInputs = z.input<typeof copyFileSchema>;
/** Checked, defaults filled in. */
export type CopyFileSpec = z.output<typeof copyFileSchema>;
