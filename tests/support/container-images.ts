import { cp, mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Program } from "./program";

/** How an image is filled and what its containers run. */
interface Contents {
  /** Files by path: text, or a program of this host to copy. */
  readonly files?: Readonly<Record<string, string | { readonly from: string }>>;
  /** Links by path. */
  readonly links?: Readonly<Record<string, string>>;
  /** Lines of a Containerfile: `ENTRYPOINT ["/x"]`, as `podman import --change` takes them. */
  readonly config?: readonly string[];
  readonly architecture?: string;
}

/** Images out of a few files, in podman's store for as long as a test lasts. */
export class ContainerImages implements AsyncDisposable {
  private readonly made: string[] = [];

  /** @param program For whose VMs they are. */
  constructor(private readonly program: Program) {}

  /** Makes an image; returns its name. */
  async make(name: string, contents: Contents): Promise<string> {
    const { config = [], architecture } = contents;
    return this.take(name, await this.tar(name, contents), config, architecture);
  }

  /** Makes a tar of a root filesystem; returns its path. */
  async tar(name: string, { files = {}, links = {} }: Omit<Contents, "config" | "architecture">): Promise<string> {
    const root = join(this.program.home, `image-${name}`);
    const place = async (path: string) => {
      await mkdir(dirname(join(root, path)), { recursive: true });
      return join(root, path);
    };
    await mkdir(root, { recursive: true });
    for (const [path, content] of Object.entries(files))
      if (typeof content === "string") await writeFile(await place(path), content, { mode: 0o755 });
      else await cp(content.from, await place(path), { dereference: true });
    for (const [path, target] of Object.entries(links)) await symlink(target, await place(path));
    await this.program.run("tar", "-C", root, "--owner=0", "--group=0", "-cf", `${root}.tar`, ".");
    await rm(root, { recursive: true });
    return `${root}.tar`;
  }

  /** Makes an image of another one's files, without some; returns its name. */
  async without(name: string, from: string, excluded: readonly string[], config: readonly string[]): Promise<string> {
    const tar = join(this.program.home, `image-${name}.tar`);
    await this.asStorageOwner(TAKE, from, tar, ...excluded.map((path) => `--exclude=./${path}`));
    return this.take(name, tar, config);
  }

  /** Takes over an image that a program has made: it goes when the test ends. */
  adopt(...names: readonly string[]): void {
    this.made.push(...names);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.program.run("podman", "rmi", "--force", ...this.made);
  }

  private async take(name: string, tar: string, config: readonly string[], architecture?: string): Promise<string> {
    const image = `localhost/${this.program.name}/${name}`;
    const changes = config.flatMap((line) => ["--change", line]);
    const options = architecture === undefined ? [] : ["--arch", architecture];
    await this.program.run("podman", "import", "--quiet", ...options, ...changes, tar, image);
    await rm(tar);
    this.made.push(image);
    return image;
  }

  /** Runs a script with the rights that the storage's files need: of a user's storage they belong to other ids. */
  private async asStorageOwner(script: string, ...args: readonly string[]): Promise<void> {
    const shell = ["sh", "-euc", script, "sh", ...args];
    await (process.getuid?.() === 0
      ? this.program.run("env", ...shell)
      : this.program.run("podman", "unshare", ...shell));
  }
}

const TAKE = `
root=$(podman image mount "$1") file=$2
image=$1
trap 'podman image unmount "$image" >/dev/null' EXIT
shift 2
tar -C "$root" "$@" -cf "$file" .
`;
