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
  return isAsset(source) ? pathIn(source) : pulumi.output(source as pulumi.Input<string>).apply(pathOfKnown);
}

async function pathOfKnown(source: unknown): Promise<string> {
  return isAsset(source) ? pathIn(source) : (source as string);
}

/** By Pulumi's own marks. No type guard: its classes declare nothing, so that anything would be one. */
function isAsset(value: unknown): boolean {
  return pulumi.asset.Asset.isInstance(value) || pulumi.asset.Archive.isInstance(value);
}

function pathIn(asset: unknown): string | Promise<string> {
  const { path } = asset as Partial<pulumi.asset.FileAsset>;
  if (path !== undefined) return path;
  throw new TypeError(
    "source takes what is on this host: a path, a FileAsset, a FileArchive. Let the VM fetch what has a URL: SshCommand with " +
      "curl. Give a text as content",
  );
}
