import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "@jest/globals";
import type { Project } from "../../support/project";

interface Outputs {
  readonly connect: string;
  readonly report: string;
  readonly synced: string;
}

/** The name under which OpenSSH's programs know the example's VM. */
export const ALIAS = "mayfly-dev";

/** Writes a configuration as users have it: their own, which includes the one that SshConfig wrote. Returns its path. */
export async function clientConfig(project: Project): Promise<string> {
  const { connect } = await project.outputs<Outputs>();
  const [, written = ""] = /^ssh -F '(.*)' mayfly-dev$/.exec(connect) ?? [];
  const own = join(project.home, "ssh_config");
  await writeFile(own, `Include "${written}"\n\nHost *\n  User nobody\n  Port 1\n`); // the first value counts
  return own;
}

/** The example builds again after a change; ssh, scp, sftp, rsync, git and sshfs work on its VM. */
export async function sshTools(project: Project): Promise<void> {
  const { connect, report, synced } = await project.outputs<Outputs>();
  expect({ report, synced }).toEqual({ report: expect.stringContaining("hello"), synced: "2 files, in step" });
  expect(await project.run("bash", "-c", `${connect} id -un`)).toBe("dev");
  const files = join(project.home, "tools");
  const tools = new Tools(project, await clientConfig(project), files);
  await mkdir(files);
  await writeFile(join(files, "a file"), "text");
  await tools.copies();
  await tools.repository();
  await tools.mountedFolder();
}

/** The programs, each as one runs it by hand. */
class Tools {
  private readonly ssh: readonly string[];

  constructor(
    private readonly project: Project,
    private readonly config: string,
    private readonly files: string,
  ) {
    this.ssh = ["-F", config];
  }

  async copies(): Promise<void> {
    const [local, back] = [join(this.files, "a file"), join(this.files, "back")];
    const shell = `ssh -F '${this.config}'`;
    await this.project.run("scp", ...this.ssh, "-q", local, `${ALIAS}:by-scp`);
    await this.project.run("scp", ...this.ssh, "-q", "-O", local, `${ALIAS}:by-old-scp`); // without SFTP
    await writeFile(join(this.files, "batch"), `put "${local}" by-sftp\nget by-sftp "${back}"\n`);
    await this.project.run("sftp", ...this.ssh, "-q", "-b", join(this.files, "batch"), ALIAS);
    await this.project.run("rsync", "--archive", "--rsh", shell, local, `${ALIAS}:by-rsync`);
    expect(await this.guest("cat by-scp by-old-scp by-sftp by-rsync")).toBe("text".repeat(4));
    expect(await readFile(back, "utf8")).toBe("text");
  }

  async repository(): Promise<void> {
    const clone = join(this.files, "clone");
    await this.guest("git init --quiet --bare --initial-branch main work.git");
    const git = (...args: string[]) =>
      this.project.run("git", "-c", `core.sshCommand=ssh -F '${this.config}'`, "-c", "user.name=a", ...args);
    await git("clone", "--quiet", `${ALIAS}:work.git`, clone);
    const inClone = (...args: string[]) => git("-C", clone, "-c", "user.email=a@b", ...args);
    await inClone("commit", "--quiet", "--allow-empty", "--message", "first");
    await inClone("push", "--quiet", "origin", "HEAD:main");
    expect(await this.guest("git -C work.git log --format=%an:%s main")).toBe("a:first");
    await this.guest(
      "git clone --quiet work.git there && cd there && git -c user.name=b -c user.email=b@b " +
        "commit --quiet --allow-empty --message second && git push --quiet",
    );
    await inClone("pull", "--quiet", "--ff-only", "origin", "main");
    expect(await inClone("log", "--format=%s")).toBe("second\nfirst");
  }

  async mountedFolder(): Promise<void> {
    const folder = join(this.files, "mounted");
    await mkdir(folder);
    await this.project.run("sshfs", ...this.ssh, `${ALIAS}:`, folder);
    try {
      expect(await readFile(join(folder, "by-scp"), "utf8")).toBe("text");
      await writeFile(join(folder, "by sshfs"), "written through it");
      expect(await this.guest("cat 'by sshfs'")).toBe("written through it");
    } finally {
      await this.project.run("fusermount3", "-u", folder);
    }
  }

  private guest(command: string): Promise<string> {
    return this.project.run("ssh", ...this.ssh, ALIAS, command);
  }
}
