import { existsSync } from "node:fs";
import { cp, mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/** This host's busybox, which needs no library; the set-up installs it. */
export const BUSYBOX = ["/usr/bin/busybox", "/bin/busybox"].find((path) => existsSync(path)) ?? "";

/** How an image is filled and what its containers run. */
export interface Contents {
  /** Files by path: text, or a program of this host to copy. */
  readonly files?: Readonly<Record<string, string | { readonly from: string }>>;
  /** Links by path. */
  readonly links?: Readonly<Record<string, string>>;
  /** An image whose kernel and modules come along. */
  readonly kernelFrom?: string;
  /** Lines of a Containerfile: `ENTRYPOINT ["/x"]`, as `podman import --change` takes them. */
  readonly config?: readonly string[];
  /** As Go names it. @default this host's */
  readonly architecture?: string;
}

/** Where images are made. */
export interface Workshop {
  /** A folder for what is on its way. */
  readonly home: string;
  /** Begins the images' names. */
  readonly name: string;
  /** Runs a program; rejects with what it printed when it fails. */
  run(file: string, ...args: readonly string[]): Promise<string>;
}

/** Images out of a few files, in podman's store for as long as a test lasts. */
export class ContainerImages implements AsyncDisposable {
  private readonly made = new Set<string>();

  /** @param workshop Of the test whose images they are. */
  constructor(private readonly workshop: Workshop) {}

  /** Makes an image; returns its name. */
  async make(name: string, contents: Contents): Promise<string> {
    return this.take(name, await this.tar(name, contents), contents);
  }

  /** Makes a tar of a root filesystem; returns its path. */
  async tar(name: string, { files = {}, links = {}, kernelFrom }: Omit<Contents, "config">): Promise<string> {
    const root = join(this.workshop.home, `image-${name}`);
    const place = async (path: string) => {
      await mkdir(dirname(join(root, path)), { recursive: true });
      return join(root, path);
    };
    await mkdir(root, { recursive: true });
    for (const [path, content] of Object.entries(files))
      if (typeof content === "string") await writeFile(await place(path), content, { mode: 0o755 });
      else await cp(content.from, await place(path), { dereference: true });
    for (const [path, target] of Object.entries(links)) await symlink(target, await place(path));
    if (kernelFrom !== undefined) await this.asStorageOwner(TAKE_KERNEL, kernelFrom, root);
    await this.workshop.run("tar", "-C", root, "--owner=0", "--group=0", "-cf", `${root}.tar`, ".");
    await rm(root, { recursive: true });
    return `${root}.tar`;
  }

  /** Makes an image of another one's files, without some; returns its name. */
  async without(name: string, from: string, excluded: readonly string[], config: readonly string[]): Promise<string> {
    const tar = join(this.workshop.home, `image-${name}.tar`);
    await this.asStorageOwner(TAKE, from, tar, ...excluded.map((path) => `--exclude=./${path}`));
    return this.take(name, tar, { config });
  }

  /** Makes an image of a root filesystem's tar, which goes; returns its name. */
  async take(name: string, tar: string, { config = [], architecture }: Contents): Promise<string> {
    const image = `localhost/${this.workshop.name}/${name}`;
    const changes = config.flatMap((line) => ["--change", line]);
    const options = architecture === undefined ? [] : ["--arch", architecture];
    await this.workshop.run("podman", "import", "--quiet", ...options, ...changes, tar, image);
    await rm(tar);
    this.made.add(image);
    return image;
  }

  /** Builds a Containerfile by podman alone; returns the image's name. */
  async build(name: string, text: string): Promise<string> {
    const folder = join(this.workshop.home, `build-${name}`);
    const image = `localhost/${this.workshop.name}/${name}`;
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "Containerfile"), text);
    await this.workshop.run("podman", "build", "--quiet", "--tag", image, folder);
    this.made.add(image);
    return image;
  }

  /** Takes over an image that a program has made: it goes when the test ends. */
  adopt(...names: readonly string[]): void {
    for (const name of names) this.made.add(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.made.size > 0) await this.workshop.run("podman", "rmi", "--force", ...this.made);
  }

  /** Runs a script with the rights that the storage's files need: of a user's storage they belong to other ids. */
  private async asStorageOwner(script: string, ...args: readonly string[]): Promise<void> {
    const shell = ["sh", "-euc", script, "sh", ...args];
    await (process.getuid?.() === 0
      ? this.workshop.run("env", ...shell)
      : this.workshop.run("podman", "unshare", ...shell));
  }
}

const TAKE = `
root=$(podman image mount "$1") file=$2
image=$1
trap 'podman image unmount "$image" >/dev/null' EXIT
shift 2
tar -C "$root" "$@" -cf "$file" .
`;

/** Puts the kernel and modules of the image `$1` into the folder `$2`. */
const TAKE_KERNEL = `
root=$(podman image mount "$1")
trap 'podman image unmount "$1" >/dev/null' EXIT
mkdir -p "$2/boot" "$2/usr/lib/modules"
cp "$root"/boot/vmlinuz-* "$2/boot/"
cp -r "$root"/usr/lib/modules/. "$2/usr/lib/modules/"
`;
