import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../../tests/support/eventually";

/** What a program said, and how it ended. */
export interface Said {
  readonly stdout: string;
  readonly stderr: string;
  /** Absent where a signal or its deadline has ended it. */
  readonly exitCode: number | undefined;
}

const DIAL_SECONDS = 60; // a login to a guest that still boots, under emulation
const COMMAND_MS = 150_000;

/** A guest by the road of its user: OpenSSH's clients with the configuration that the VM has given. */
export class Client {
  /** @param config Path of the VM's `sshConfig`. @param name Its host name. */
  constructor(
    private readonly config: string,
    private readonly name: string,
  ) {}

  /** Runs a command in the guest. */
  async ssh(command: string, input = ""): Promise<Said> {
    return this.run("ssh", [this.name, command], input);
  }

  /** Whether a file comes back as it was sent; what went wrong, if not. */
  async sftp(): Promise<string | undefined> {
    const folder = mkdtempSync(join(tmpdir(), "mayfly-sftp-"));
    try {
      const content = randomBytes(1_048_576);
      writeFileSync(join(folder, "there"), content);
      const batch = `put ${folder}/there mayfly-file\nget mayfly-file ${folder}/back\nrm mayfly-file\n`;
      const { exitCode, stderr } = await this.run("sftp", ["-b", "-", this.name], batch);
      if (exitCode !== 0) return stderr;
      return readFileSync(join(folder, "back")).equals(content) ? undefined : "another file came back";
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  /** Restarts the guest as its user would, and waits until it can be logged in to again. */
  async reboot(seconds: number): Promise<void> {
    const before = await this.bootId();
    await this.ssh("reboot");
    let seen = "";
    const isUp = async () => {
      const now = await this.bootId().catch((error: unknown) => void (seen = String(error)));
      return now !== undefined && now !== before;
    };
    await eventually("the guest can be logged in to after its reboot", seconds, isUp, () => seen);
  }

  private async bootId(): Promise<string> {
    const { stdout, stderr, exitCode } = await this.ssh("cat /proc/sys/kernel/random/boot_id");
    if (exitCode !== 0) throw new Error(stderr);
    return stdout;
  }

  private async run(program: string, args: readonly string[], input: string): Promise<Said> {
    const { execa } = await import("execa"); // ESM only
    const options = ["-F", this.config, "-o", `ConnectTimeout=${String(DIAL_SECONDS)}`, "-o", "LogLevel=ERROR"];
    const { stdout, stderr, exitCode } = await execa(program, [...options, ...args], {
      ...{ input, reject: false, timeout: COMMAND_MS },
    });
    return { stdout, stderr, exitCode };
  }
}
