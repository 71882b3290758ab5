import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../../provider/host/until";

/** OpenSSH's own agent, with no key at first. */
export class SshAgent implements AsyncDisposable {
  private constructor(
    private readonly folder: string,
    private readonly process: ChildProcess,
  ) {}

  /** Its socket. */
  get socket(): string {
    return join(this.folder, "agent");
  }

  /** Starts one, and waits until it answers. */
  static async start(): Promise<SshAgent> {
    const folder = mkdtempSync(join(tmpdir(), "mayfly-agent-"));
    const agent = new SshAgent(folder, spawn("ssh-agent", ["-D", "-a", join(folder, "agent")], { stdio: "ignore" }));
    await until("the agent answers", async () => answers(agent.socket), {
      signal: AbortSignal.timeout(10_000),
      interval: 10,
      diagnose: () => ({ remedy: "apt-get install openssh-client" }),
    });
    return agent;
  }

  /** Gives it a new key with a comment; the file that the key came in is gone. */
  add(comment: string, ...options: readonly string[]): { publicKey: string; fingerprint: string } {
    const file = join(this.folder, "key");
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", file, ...options]);
    execFileSync("ssh-add", ["-q", file], { env: { ...process.env, SSH_AUTH_SOCK: this.socket } });
    const publicKey = readFileSync(`${file}.pub`, "utf8").trim();
    const [, fingerprint = ""] = execFileSync("ssh-keygen", ["-lf", `${file}.pub`], { encoding: "utf8" }).split(" ");
    rmSync(file);
    rmSync(`${file}.pub`);
    return { publicKey, fingerprint };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.process, "exit");
    this.process.kill("SIGKILL");
    await ended;
    rmSync(this.folder, { recursive: true });
  }
}

async function answers(socket: string): Promise<true | undefined> {
  const client = connect(socket);
  try {
    await once(client, "connect");
    return true;
  } catch {
    return undefined;
  } finally {
    client.destroy();
  }
}
