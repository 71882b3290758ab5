import * as pulumi from "@pulumi/pulumi";

/** What Pulumi's own types make of a path. */
type Asset = pulumi.asset.Asset | pulumi.asset.Archive;

/**
 * The path of what is on this host. An asset or an archive can't pass through a dynamic resource as what it is: the provider
 * reads the files.
 *
 * @throws {TypeError} For what is no file or folder of this host; inside an output, when that is known.
 */
export function pathOf(source: pulumi.Input<string> | Asset): pulumi.Input<string> {
  if (typeof source === "string") return source;
  if (isAsset(source)) return pathIn(source);
  return pulumi.output(source).apply(async (path: unknown) => (isAsset(path) ? pathIn(path) : (path as string)));
}

function isAsset(value: unknown): value is Asset {
  return pulumi.asset.Asset.isInstance(value) || pulumi.asset.Archive.isInstance(value);
}

function pathIn(asset: Asset): string | Promise<string> {
  if ("path" in asset) return (asset as pulumi.asset.FileAsset | pulumi.asset.FileArchive).path;
  throw new TypeError(
    "source takes what is on this host: a path, a FileAsset, a FileArchive. Let the VM fetch what has a URL: SshCommand with " +
      "curl. Give a text as content",
  );
}
