import * as pulumi from "@pulumi/pulumi";
import type { CopyFileInputs } from "../provider/schema/copy-file";
import { pathOf } from "./assets";
import { common, given, isOfKind, pending, type Inputs } from "./inputs";
import { targetInputs, targetOptions, type Target } from "./on-vm";
import { DynamicResource } from "./dynamic-resource";

/** Arguments of {@link CopyFile}: exactly one of `source`, `content` and `download`. */
export interface CopyFileArgs
  extends Target, Omit<Inputs<CopyFileInputs>, "connection" | "vmId" | "source" | "sourceHash"> {
  /**
   * The file on this host: its path, or a `FileAsset` or `StringAsset` of Pulumi, or a `FileArchive` of a file, which is
   * copied as it is. A change of its content shows in `pulumi preview`, and `up` copies it again.
   */
  source?:
    pulumi.Input<string> | pulumi.asset.FileAsset | pulumi.asset.FileArchive | pulumi.asset.StringAsset | undefined;
}

/**
 * A file, copied to a VM or from it. It arrives whole or not at all: beside its place first, compared by its hash, then
 * put into place in one step.
 *
 * Fails with `NOT_FOUND`, `COPY_FAILED` (no right to write there, a full disk, a source that changes meanwhile),
 * `CONNECT_FAILED`, `HOST_KEY_MISMATCH`.
 *
 * @example
 * new mayfly.CopyFile("site", { vm, source: "./nginx.conf", remotePath: "/etc/nginx/nginx.conf", mode: "0644" });
 *
 * @example
 * new mayfly.CopyFile("report", { vm, remotePath: "/srv/report.xml", download: "./report.xml" }, { dependsOn: [tests] });
 */
export class CopyFile extends DynamicResource {
  /** SHA-256 of the content, in hex. Secret where the content was given as such, and not as a file. */
  declare readonly sha256: pulumi.Output<string>;
  /** Size in bytes. */
  declare readonly size: pulumi.Output<number>;

  /** @param args `vm` or `connection`, what to copy, and where to. */
  constructor(name: string, args: CopyFileArgs, options?: pulumi.CustomResourceOptions) {
    args = given(args);
    const { vm: _vm, connection: _connection, source, ...rest } = args;
    super(
      "CopyFile",
      name,
      {
        ...pending("sha256", "size"),
        ...{ ...rest, ...sourceInputs(source), ...targetInputs(args) },
        ...common(name, options),
      },
      // A short content could be guessed by its hash.
      targetOptions(args, options, ...((args.content ?? textOf(source)) === undefined ? [] : ["sha256"])),
    );
  }

  /** Whether an object is a CopyFile, also one of another copy of this package. */
  static override isInstance(object: unknown): object is CopyFile {
    return isOfKind(object, "CopyFile");
  }
}

/** The provider is told a file's path, and of a text the text itself. */
function sourceInputs(source: CopyFileArgs["source"]): Record<string, unknown> {
  if (source === undefined) return {};
  const text = textOf(source);
  return text === undefined ? { source: pathOf(source) } : { content: text };
}

/** The text of a `StringAsset`; `undefined` for whatever else it is. */
function textOf(source: CopyFileArgs["source"]): pulumi.Input<string> | undefined {
  return pulumi.asset.Asset.isInstance(source) ? (source as Partial<pulumi.asset.StringAsset>).text : undefined;
}
