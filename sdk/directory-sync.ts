import type * as pulumi from "@pulumi/pulumi";
import type { DirectorySyncInputs } from "../provider/schema/directory-sync";
import { pathOf } from "./assets";
import { common, given, isOfKind, pending, type Inputs } from "./inputs";
import { targetInputs, targetOptions, type Target } from "./on-vm";
import { DynamicResource } from "./dynamic-resource";

/** Arguments of {@link DirectorySync}: exactly one of `source` and `download`. */
export interface DirectorySyncArgs
  extends Target, Omit<Inputs<DirectorySyncInputs>, "connection" | "vmId" | "source" | "sourceHash"> {
  /**
   * The folder on this host: its path, or a `FileArchive` of Pulumi that names one. A change of what is in it shows in
   * `pulumi preview`, and `up` syncs again.
   */
  source?: pulumi.Input<string> | pulumi.asset.FileArchive | undefined;
}

/**
 * A folder of a VM that is kept like one of this host, or the other way round. Only what differs travels: by rsync where
 * both sides have it and it is worth its start, over the connection that is open already, else by SFTP. Each file arrives
 * whole or not at all; names, modes, times and links are kept.
 *
 * `pulumi preview` says how many files and bytes will change, as far as the VM is there; `pulumi refresh` finds what has
 * changed on the target, and the next `up` makes it good.
 *
 * Fails with `COPY_FAILED` (no right to write there, a full disk, something of another kind in the way), `NOT_FOUND`,
 * `CONNECT_FAILED`, `HOST_KEY_MISMATCH`.
 *
 * @example
 * new mayfly.DirectorySync("site", { vm, source: "./site", remotePath: "/srv/site", exclude: ["node_modules/"] });
 *
 * @example
 * new mayfly.DirectorySync("logs", { vm, remotePath: "/var/log", download: "./logs", triggers: [tests.stdout] });
 */
export class DirectorySync extends DynamicResource {
  /** `in step`, or `out of step` where a refresh has seen the two differ: the next `up` syncs again. */
  declare readonly status: pulumi.Output<"in step" | "out of step">;
  /** Number of files in the source, at the last sync. */
  declare readonly files: pulumi.Output<number>;
  /** Their size in bytes. */
  declare readonly size: pulumi.Output<number>;
  /** When the last sync began, in seconds since 1970. */
  declare readonly syncedAt: pulumi.Output<number>;

  /**
   * SHA-256 over all that is synced of `source`, in hex; nothing for a download. Known at preview: as a trigger of an
   * SshCommand it runs that again after a change.
   */
  declare readonly sourceHash: pulumi.Output<string | undefined>;

  /** @param args `vm` or `connection`, and the two folders. */
  constructor(name: string, args: DirectorySyncArgs, options?: pulumi.CustomResourceOptions) {
    args = given(args);
    const { vm: _vm, connection: _connection, source, ...rest } = args;
    super(
      "DirectorySync",
      name,
      {
        ...pending("status", "files", "size", "syncedAt", "sourceHash"),
        ...{ ...rest, ...(source !== undefined && { source: pathOf(source) }), ...targetInputs(args) },
        ...common(name, options),
      },
      targetOptions(args, options),
    );
  }

  /** Whether an object is a DirectorySync, also one of another copy of this package. */
  static override isInstance(object: unknown): object is DirectorySync {
    return isOfKind(object, "DirectorySync");
  }
}
