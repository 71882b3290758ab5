import { chmod, lstat, mkdir, rm, rmdir, symlink, utimes } from "node:fs/promises";
import { join } from "node:path";
import { makeFolders } from "../host/files";
import { kindOf, type Sftp } from "./sftp";
import { LOST, SftpError } from "./sftp-error";

/** A folder that is made like another one; paths are within it. */
export interface Side {
  makeRoot(): Promise<void>;
  makeFolder(path: string, mode: number): Promise<void>;
  makeLink(path: string, target: string): Promise<void>;
  setMode(path: string, mode: number): Promise<void>;
  /** Seconds since 1970. A file of somebody else's keeps its time: that only costs another comparison. */
  setTime(path: string, modified: number): Promise<void>;
  remove(path: string): Promise<void>;
}

/** A folder of this host. */
export function localSide(root: string): Side {
  const at = (path: string) => join(root, path);
  return {
    makeRoot: async () => {
      await makeFolders(root);
    },
    makeFolder: async (path, mode) => {
      await mkdir(at(path)).catch(async (error: unknown) => {
        // A link is no folder: what it leads to is not ours to fill. One whose name differs in case alone is not listed.
        if ((await lstat(at(path)).catch(() => undefined))?.isDirectory() !== true) throw error;
      });
      await chmod(at(path), mode);
    },
    makeLink: async (path, target) => {
      await rm(at(path), { force: true });
      await symlink(target, at(path));
    },
    setMode: (path, mode) => chmod(at(path), mode),
    setTime: (path, modified) => utimes(at(path), modified, modified).catch(() => undefined),
    remove: async (path) => {
      const stats = await lstat(at(path)).catch(() => undefined);
      if (stats?.isDirectory() === true) await rmdir(at(path));
      else await rm(at(path), { force: true });
    },
  };
}

/** A folder of a server. */
export function remoteSide(sftp: Sftp, root: string): Side {
  const at = (path: string) => `${root}/${path}`;
  return {
    makeRoot: async () => {
      await sftp.makeFolder(root);
    },
    makeFolder: async (path, mode) => {
      await sftp.makeFolder(at(path));
      await sftp.set(at(path), { mode });
    },
    makeLink: async (path, target) => {
      await sftp.unlink(at(path));
      await sftp.link(target, at(path));
    },
    setMode: (path, mode) => sftp.set(at(path), { mode }),
    setTime: async (path, modified) => {
      await sftp.set(at(path), { atime: modified, mtime: modified }).catch((error: unknown) => {
        if (error instanceof SftpError && error.status === LOST) throw error;
      });
    },
    remove: async (path) => {
      const stats = await sftp.lstat(at(path));
      if (stats === undefined) return;
      await (kindOf(stats) === "folder" ? sftp.removeFolder(at(path)) : sftp.unlink(at(path)));
    },
  };
}
